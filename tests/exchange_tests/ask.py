"""What the tests of the simulated exchange ask it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from tests.exchange import Exchange

Rows = list[list[Any]]
_SESSION = requests.Session()


def ms(text: str) -> int:
    """An ISO time (UTC) in milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def get(exchange: Exchange, path: str, **params: Any) -> requests.Response:
    """A GET request."""
    return _SESSION.get(exchange.url + path, params=params, timeout=20)


def klines(
    exchange: Exchange, symbol: str, interval: str, start: str, end: str | None = None, limit: int = 1000
) -> Rows:
    """All candles that open in [start, end), page by page; one page without `end`."""
    found: Rows = []
    params: dict[str, Any] = {"symbol": symbol, "interval": interval, "startTime": ms(start), "limit": limit}
    if end is None:
        first: Rows = get(exchange, "/api/v3/klines", **params).json()
        return first
    while True:
        page = get(exchange, "/api/v3/klines", **params, endTime=ms(end) - 1).json()
        found += page
        if len(page) < limit:
            return found
        params["startTime"] = page[-1][0] + 1


def file_path(symbol: str, interval: str, period: str) -> str:
    """The path of an archive file."""
    kind = "monthly" if len(period) == 7 else "daily"
    return f"/data/spot/{kind}/klines/{symbol}/{interval}/{symbol}-{interval}-{period}.zip"


def archive(exchange: Exchange, symbol: str, interval: str, period: str) -> Rows:
    """The rows of an archive file (all fields text), its checksum verified."""
    path = file_path(symbol, interval, period)
    body = get(exchange, path)
    assert body.status_code == 200, f"{path} answered {body.status_code}"
    assert (
        get(exchange, f"{path}.CHECKSUM").text == f"{hashlib.sha256(body.content).hexdigest()}  {path.split('/')[-1]}\n"
    )
    return rows_of(body.content)


def rows_of(zip_bytes: bytes) -> Rows:
    """The rows in a zip."""
    with zipfile.ZipFile(io.BytesIO(zip_bytes)) as archive_file:
        (member,) = archive_file.namelist()
        return [line.split(",") for line in archive_file.read(member).decode().splitlines()]


def as_archive(rows: Rows, *, microseconds: bool = False) -> Rows:
    """REST rows as the archive writes them."""
    suffix, closing = ("000", "999") if microseconds else ("", "")
    return [[f"{r[0]}{suffix}", *r[1:6], f"{r[6]}{closing}", r[7], str(r[8]), r[9], r[10], "0"] for r in rows]
