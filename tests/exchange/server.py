"""The socket: HTTP/1.1 with keep-alive on loopback, files by sendfile, and the ways an answer can go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from tests.exchange import archive, control
from tests.exchange.answers import REST_KINDS, Request, Response, json_answer

if TYPE_CHECKING:
    from tests.exchange.state import State

logger = logging.getLogger(__name__)

_REASONS = {int(status): status.phrase for status in HTTPStatus} | {418: "I'm a teapot"}
_HEAD_LIMIT = 64 << 10


class Server:
    """Answers from a State until it is closed. Lives in one event loop."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._server: asyncio.Server | None = None
        self._builders = ThreadPoolExecutor(2, thread_name_prefix="exchange-files")
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=_HEAD_LIMIT, backlog=512)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._builders.shutdown(wait=False, cancel_futures=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        peer = writer.get_extra_info("socket")
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the client went away, as clients may
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            with contextlib.suppress(ConnectionError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection stays open."""
        head = await reader.readuntil(b"\r\n\r\n")
        try:
            request = await _read(head, reader)
        except ValueError:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        if request.path.startswith("/control/"):
            await self._send(writer, request, control.answer(request, self._state))
            return True
        state, log = self._state, self._state.log
        log.begin(request)
        rule = state.faults.strike(request)
        if state.latency:
            await asyncio.sleep(state.latency)
        sent, stays = 0, False
        response = Response(500)
        try:
            if state.needs_building(request):
                loop = asyncio.get_running_loop()
                response = await loop.run_in_executor(self._builders, state.answer, request, rule)
            else:
                response = state.answer(request, rule)
        except Exception:
            logger.exception("No answer to %s", request.target)
            response = json_answer({"error": "The simulated exchange failed; see its output."}, 500)
        try:
            sent, stays = await self._deliver(reader, writer, request, response)
        finally:
            log.end(request, response, sent, state.clock.now())
        return stays and request.headers.get("connection", "").lower() != "close"

    async def _deliver(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, response: Response
    ) -> tuple[int, bool]:
        """Send it the way it is to be sent: bytes of body sent, and whether the connection stays open."""
        delivery = response.delivery
        if delivery.how == "whole":
            return await self._send(writer, request, response), True
        if delivery.how == "hang":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), delivery.seconds)
            return 0, False
        if delivery.how == "reset":
            peer = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return 0, False
        body = response.whole_body()
        writer.write(_head(response, len(body), self._state.clock.now()))
        if delivery.how == "cut":
            part = body[: int(len(body) * delivery.fraction)]
            writer.write(part)
            await writer.drain()
            return len(part), False
        steps = 20
        size = -(-len(body) // steps) or 1
        for at in range(0, len(body), size):
            writer.write(body[at : at + size])
            await writer.drain()
            await asyncio.sleep(delivery.seconds / steps)
        return len(body), True

    async def _send(self, writer: asyncio.StreamWriter, request: Request, response: Response) -> int:
        size = response.file.stat().st_size if response.file else len(response.body)
        writer.write(_head(response, size, self._state.clock.now()))
        if request.method == "HEAD" or size == 0:
            size = 0
        elif response.file:
            await writer.drain()
            with response.file.open("rb") as file:
                await asyncio.get_running_loop().sendfile(writer.transport, file)
        else:
            writer.write(response.body)
        await writer.drain()
        return size


async def _read(head: bytes, reader: asyncio.StreamReader) -> Request:
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {}
    for line in lines[1:]:
        name, found, value = line.partition(":")
        if found:
            headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = await reader.readexactly(length) if length else b""
    raw_path, _, query = target.partition("?")
    path = unquote(raw_path)
    params = dict(parse_qsl(query, keep_blank_values=True))
    named = archive.parse(path.removeprefix("/"))
    kind = _kind(path, named[1] if named else None)
    return Request(method, path, params, headers, body, kind, unquote(target), named[0] if named else None)


def _kind(path: str, checksum: bool | None) -> str:
    if checksum is not None:
        return "checksum" if checksum else "archive"
    name = path.removeprefix("/api/v3/")
    if path.startswith("/api/v3/") and name in REST_KINDS:
        return name
    return "listing" if path in ("", "/", "/data.binance.vision", "/data.binance.vision/") else "unknown"


def _head(response: Response, size: int, now: float) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines.append(f"Content-Type: {response.content_type}")
    if response.status != 304:
        lines.append(f"Content-Length: {size}")
    lines.append(f"Date: {formatdate(now, usegmt=True)}")
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
