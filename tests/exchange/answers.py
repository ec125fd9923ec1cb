"""What a request asks for and what is sent back, before it becomes bytes on a socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from pathlib import Path

    from tests.exchange.archive import FileName

REST_KINDS = frozenset({"ping", "time", "exchangeInfo", "klines"})
FILE_KINDS = frozenset({"archive", "checksum", "listing"})


@dataclass(frozen=True)
class Request:
    """A request as far as the exchange cares: `path` is decoded and without query, `file` is set for archive paths."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    kind: str
    target: str
    file: FileName | None = None

    @property
    def symbol(self) -> str | None:
        """The pair it is about, when it is about one."""
        return self.file.symbol if self.file else self.params.get("symbol")

    @property
    def interval(self) -> str | None:
        """The interval it is about."""
        return self.file.interval if self.file else self.params.get("interval")


@dataclass(frozen=True)
class Delivery:
    """How the answer goes out: whole, or slow, cut, hanging or reset."""

    how: Literal["whole", "slow", "cut", "hang", "reset"] = "whole"
    seconds: float = 0.0
    fraction: float = 0.5


@dataclass
class Response:
    """An answer; `file` is sent from disk instead of `body`."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    delivery: Delivery = Delivery()
    weight: int = 0
    fault: str | None = None

    def whole_body(self) -> bytes:
        """The body, wherever it lies."""
        return self.file.read_bytes() if self.file else self.body


def json_answer(value: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(status, body, headers={name.replace("_", "-"): text for name, text in headers.items()})


def error(code: int, message: str, status: int = 400, **headers: str) -> Response:
    """An error as Binance words it."""
    return json_answer({"code": code, "msg": message}, status, **headers)


def no_such_key(key: str) -> Response:
    """The object store's 404."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
        f"<Message>The specified key does not exist.</Message><Key>{escape(key)}</Key></Error>"
    )
    return Response(404, body.encode(), "application/xml")
