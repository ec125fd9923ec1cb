"""The archive: which file a path names, when it is published, and the zip and checksum it consists of."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from tests.exchange import text
from tests.exchange.candles import INTERVALS
from tests.exchange.market import DAY, Market
from tests.exchange.noise import seed_of
from tests.exchange.universe import seconds

MICROSECONDS_FROM = seconds("2025-01-01")
ROOT = "data/spot/"
ARCHIVED = tuple(name for name in INTERVALS if name != "1w")
"""Weeks lie across the borders of months: what Binance's files of them hold was never recorded, so there are none."""

_PATH = re.compile(
    r"data/spot/(?P<kind>monthly|daily)/klines/(?P<symbol>[^/]+)/(?P<interval>[^/]+)/"
    r"(?P=symbol)-(?P=interval)-(?P<period>\d{4}-\d\d(?:-\d\d)?)\.zip(?P<checksum>\.CHECKSUM)?"
)


@dataclass(frozen=True)
class FileName:
    """One archive file: its pair, interval and calendar month or day (UTC, half open, seconds)."""

    symbol: str
    interval: str
    period: str

    @property
    def monthly(self) -> bool:
        """A month's file, not a day's."""
        return len(self.period) == 7

    @property
    def start(self) -> int:
        """The first second of the period."""
        return seconds(self.period if not self.monthly else f"{self.period}-01")

    @property
    def end(self) -> int:
        """The first second after the period."""
        if not self.monthly:
            return self.start + DAY
        return int((datetime.fromtimestamp(self.start, UTC) + timedelta(days=31)).replace(day=1).timestamp())

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return f"{self.symbol}-{self.interval}-{self.period}"

    @property
    def path(self) -> str:
        """The zip's path, without a slash in front."""
        kind = "monthly" if self.monthly else "daily"
        return f"{ROOT}{kind}/klines/{self.symbol}/{self.interval}/{self.stem}.zip"


@dataclass(frozen=True)
class Edition:
    """A published file: when it was last written (seconds) and what tells its editions apart."""

    name: FileName
    modified: int
    number: int

    @property
    def etag(self) -> str:
        """The ETag, opaque like that of a file that was uploaded in parts; known without building the zip."""
        return hashlib.sha256(f"{self.name.path} {self.number}".encode()).hexdigest()[:32] + "-1"


def parse(path: str) -> tuple[FileName, bool] | None:
    """The file a path names and whether its checksum is meant; None for any other path."""
    match = _PATH.fullmatch(path)
    if not match or (match["kind"] == "monthly") != (len(match["period"]) == 7):
        return None
    name = FileName(match["symbol"], match["interval"], match["period"])
    try:
        _ = name.start
    except ValueError:  # a month 13 or a 31st of June
        return None
    return name, match["checksum"] is not None


def publication(name: FileName) -> int:
    """When a file appears: a day's 1-6 hours after it ended, a month's 1-3 days after it ended."""
    draw = seed_of(name.stem)
    if name.monthly:
        return name.end + DAY + draw % (2 * DAY)
    return name.end + 3600 + draw % (5 * 3600)


class Archive(Protocol):
    """What the server serves files from."""

    def edition(self, name: FileName, now: int) -> Edition | None:
        """The published file, or None (404)."""

    def csv(self, edition: Edition, now: int) -> bytes:
        """The rows of the file."""

    def symbols(self, now: int, *, monthly: bool) -> list[str]:
        """The pairs that have files, in the order of their bytes."""

    def intervals(self, symbol: str) -> list[str]:
        """The intervals a pair has files of, in the order of their bytes."""

    def editions(self, symbol: str, interval: str, *, monthly: bool, after: str, now: int) -> list[Edition]:
        """The published files of a series whose period is not before `after`, in order."""

    def size(self, edition: Edition) -> int:
        """The bytes the listing shows for a file that was not built yet: an estimate."""


class SimulatedArchive:
    """The archive of the simulated market. Files never change but by a revision or the repair of 2025-04-22."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def edition(self, name: FileName, now: int) -> Edition | None:
        """The published file, or None (404)."""
        pair = self._market.pairs.get(name.symbol)
        published = publication(name)
        if pair is None or name.interval not in ARCHIVED or published > now:
            return None
        if not any(start < name.end and end > name.start for start, end, _ in pair.spans(now)):
            return None
        number, since = self._market.version(name.symbol, name.start, name.end, monthly=name.monthly, now=now)
        return Edition(name, max(published, since), number)

    def csv(self, edition: Edition, now: int) -> bytes:
        """The rows of the file."""
        name = edition.name
        rows = self._market.archive_rows(
            name.symbol, name.interval, name.start, name.end, monthly=name.monthly, now=now
        )
        return text.archive_csv(rows, microseconds=name.start >= MICROSECONDS_FROM)

    def symbols(self, now: int, *, monthly: bool) -> list[str]:
        """The pairs that have files, in the order of their bytes."""
        period = 28 * DAY if monthly else DAY
        names = (pair.symbol for pair in self._market.pairs.values() if pair.lives[0].start + period < now)
        return sorted(names, key=str.encode)

    def intervals(self, symbol: str) -> list[str]:
        """The intervals a pair has files of, in the order of their bytes."""
        return sorted(ARCHIVED) if symbol in self._market.pairs else []

    def editions(self, symbol: str, interval: str, *, monthly: bool, after: str, now: int) -> list[Edition]:
        """The published files of a series whose period is not before `after`, in order."""
        found: list[Edition] = []
        for start, end, _ in self._market.pairs[symbol].spans(now):
            for period in periods(start, end, monthly=monthly):
                if period >= after and (not found or found[-1].name.period < period):
                    edition = self.edition(FileName(symbol, interval, period), now)
                    found += [edition] if edition else []
        return found

    def size(self, edition: Edition) -> int:
        """About what the zip will have: a listing of thousands of files does not build them."""
        return 200 + (edition.name.end - edition.name.start) // INTERVALS[edition.name.interval] * 56


def periods(start: int, end: int, *, monthly: bool) -> list[str]:
    """The calendar months or days that [start, end) touches."""
    day, last = datetime.fromtimestamp(start, UTC).date(), datetime.fromtimestamp(end - 1, UTC).date()
    if not monthly:
        return [(day + timedelta(days=i)).isoformat() for i in range((last - day).days + 1)]
    months = range(day.year * 12 + day.month - 1, last.year * 12 + last.month)
    return [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in months]


def build_zip(member: str, csv: bytes) -> bytes:
    """A zip with one deflated member; the same bytes for the same rows."""
    buffer = io.BytesIO()
    info = zipfile.ZipInfo(member, date_time=(2020, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, csv, compress_type=zipfile.ZIP_DEFLATED, compresslevel=zlib.Z_BEST_SPEED)
    return buffer.getvalue()


def checksum_line(zip_bytes: bytes, name: FileName) -> bytes:
    """The content of the .CHECKSUM file."""
    return f"{hashlib.sha256(zip_bytes).hexdigest()}  {name.stem}.zip\n".encode()
