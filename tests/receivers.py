"""Real local receivers of what a person is told: an SMTP server and a webhook, each keeping what it took."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"


class Mailbox(socketserver.StreamRequestHandler):
    """An SMTP server that takes every mail."""

    mails: list[tuple[list[str], email.message.EmailMessage]]
    port: int

    def handle(self) -> None:
        self._say("220 mailbox")
        to: list[str] = []
        for line in iter(self.rfile.readline, b""):
            verb = line.split(b":")[0].strip().upper()
            if verb == b"RCPT TO":
                to.append(line.split(b":")[1].strip().decode().strip("<>"))
            if verb == b"DATA":
                self._say("354 go on")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                self.mails.append((to, message))
            if verb == b"QUIT":
                self._say("221 bye")
                return
            self._say("250 well")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Chat(BaseHTTPRequestHandler):
    """A webhook that takes every message, or refuses each with `status`."""

    messages: list[dict[str, Any]]
    port: int
    status = 200

    def do_POST(self) -> None:
        self.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def open_mailbox() -> Iterator[type[Mailbox]]:
    """A running SMTP server."""
    handler = type("OneMailbox", (Mailbox,), {"mails": []})
    with _serving(socketserver.ThreadingTCPServer((LOOPBACK, 0), handler)) as handler.port:
        yield handler


@contextmanager
def open_chat() -> Iterator[type[Chat]]:
    """A running webhook."""
    handler = type("OneChat", (Chat,), {"messages": []})
    with _serving(ThreadingHTTPServer((LOOPBACK, 0), handler)) as handler.port:
        yield handler


def mail_connection(port: int, **more: Any) -> dict[str, Any]:
    """What smtp_default has to be for a mailbox; `more` are extras."""
    plain = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1, "timeout": 5}
    extra = plain | {"from_email": "klines@example.com"} | more
    return {"conn_type": "smtp", "host": LOOPBACK, "port": port, "extra": extra}


def chat_connection(port: int) -> dict[str, Any]:
    """What apprise_default has to be for a webhook."""
    return {"conn_type": "apprise", "extra": {"config": {"path": f"json://{LOOPBACK}:{port}/hook"}}}


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[misc]  # an address with a port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
