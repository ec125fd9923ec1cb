"""What there is: the universe of a day, the coverage of a range, and fingerprints without the candles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from include.klines.errors import InvalidRequest
from include.klines.intervals import TIMEFRAMES
from include.klines.reader.connection import snapshot
from include.klines.reader.fingerprints import combine, fetch_months
from include.klines.reader.frames import coverage_of
from include.klines.reader.listing import find_base, find_listing, find_subjects, touched_listings
from include.klines.reader.policy import refuse_gaps
from include.klines.reader.reading import fingerprint_of, read_series
from include.klines.reader.request import (
    OnGap,
    OnOutage,
    Request,
    Time,
    check_policies,
    moment,
    parse_request,
    parse_time,
)
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from include.klines.reader.errors import MissingWindow

TIERS = ("core", "extended", "excluded")
UNIVERSE_COLUMNS = (
    "symbol", "listing_number", "asset", "exchange_symbol", "tier",
    "listed_at", "delisted_at", "successor", "successor_ratio",
)  # fmt: skip


@dataclass(frozen=True)
class Coverage:
    """How much of a range is stored: candles expected from listing to delisting, present, missing by cause."""

    symbol: str
    timeframe: str
    start: datetime
    end: datetime
    expected: int
    present: int
    missing: int
    causes: dict[str, int]
    windows: tuple[MissingWindow, ...]

    @property
    def completeness(self) -> float:
        """Percent of the expected candles that are stored; 100 where none is expected."""
        return 100 * self.present / self.expected if self.expected else 100.0

    @property
    def adjusted_completeness(self) -> float:
        """The same without the candles that no load can bring (outage, suspension, pruned)."""
        fillable = self.expected - sum(
            self.causes.get(cause, 0) for cause in ("exchange_outage", "suspension", "pruned")
        )
        return 100 * self.present / fillable if fillable else 100.0


def coverage(
    symbol: str, timeframe: str, start: Time, end: Time, *, dsn: str | psycopg.Connection | None = None
) -> Coverage:
    """Expected, present and missing candles of a range, counted from the candles themselves.

    Time outside the listing is not expected; a range over two assets with one ticker adds up both. Raises
    UnknownSymbol, UnknownTimeframe, DatabaseUnavailable, StaleSnapshot, InvalidRequest.
    """
    request = parse_request(timeframe, start, end)
    with snapshot(dsn, request.length) as conn:
        subject = find_subjects(conn, [symbol])[symbol]
        base = find_base(conn, subject, request.length)
        parts = [request]
        if subject.listings:
            spans = [(one.first_open(base), one.last_end(base)) for one in touched_listings(subject, request, base)]
            parts = _clip(request, spans)
        series = [read_series(conn, symbol, part, ()).series for part in parts]
    found = [coverage_of(one) for one in series]
    windows = (one.windows(explained=explained) for one in series for explained in (False, True))
    causes: dict[str, int] = {}
    for one in found:
        for cause, count in one["causes"].items():
            causes[cause] = causes.get(cause, 0) + count
    return Coverage(
        symbol,
        timeframe,
        moment(request.start),
        moment(request.end),
        expected=sum(one["expected"] for one in found),
        present=sum(one["present"] for one in found),
        missing=sum(one["missing"] for one in found),
        causes=causes,
        windows=tuple(sorted((window for some in windows for window in some), key=lambda window: window.start)),
    )


def fingerprint(
    symbol: str,
    timeframe: str,
    start: Time,
    end: Time,
    *,
    on_gap: OnGap = "raise",
    on_outage: OnOutage = "mask",
    dsn: str | psycopg.Connection | None = None,
) -> str:
    """What load_ohlcv with the same arguments would put in attrs["fingerprint"], without fetching the candles.

    64 hexadecimal digits, the same on every machine, Postgres version and physical order. Errors are load_ohlcv's.
    """
    request = parse_request(timeframe, start, end)
    check_policies(on_gap, on_outage)
    with snapshot(dsn, request.length) as conn:
        return read_fingerprint(conn, symbol, request, on_gap, on_outage)


def read_fingerprint(
    conn: psycopg.Connection, symbol: str, request: Request, on_gap: OnGap, on_outage: OnOutage
) -> str:
    """fingerprint() inside a snapshot that is already open."""
    name = request.length.name
    if name in TIMEFRAMES:
        subject = find_subjects(conn, [symbol])[symbol]
        find_listing(subject, request, request.length)
        months = fetch_months(conn, symbol, request)
        if sum(month.candles for month in months) == request.count:
            return combine(symbol, request, name, on_gap, on_outage, months, [])
    reading = read_series(conn, symbol, request, ())
    if on_gap == "raise":
        refuse_gaps(reading.series)
    return fingerprint_of(conn, reading, on_gap, on_outage)


def universe(as_of: Time, tier: str | None = None, *, dsn: str | psycopg.Connection | None = None) -> pd.DataFrame:
    """The assets that were listed at an instant (a date is its midnight UTC), those delisted since included.

    tier: "core", "extended", "excluded", or None for core and extended. Returns one row an asset with symbol,
    listing_number, asset, exchange_symbol, tier, listed_at, delisted_at, successor and successor_ratio. A symbol whose
    listing was not discovered yet cannot be placed in time: it is in attrs["undiscovered"], not in the rows.
    """
    if tier is not None and tier not in TIERS:
        raise InvalidRequest(f"tier {tier!r} is not known: use one of {', '.join(TIERS)}, or none.")
    binds = {"as_of": moment(parse_time(as_of)), "tier": tier}
    with snapshot(dsn) as conn:
        rows = conn.execute(statement("universe"), binds).fetchall()
    frame = pd.DataFrame([row for row in rows if row[5] is not None], columns=list(UNIVERSE_COLUMNS))
    for column in ("listed_at", "delisted_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    frame.attrs = {
        "as_of": f"{binds['as_of']:%Y-%m-%dT%H:%M:%SZ}",
        "undiscovered": [row[0] for row in rows if row[5] is None],
    }
    return frame


def _clip(request: Request, spans: list[tuple[int, int]]) -> list[Request]:
    length = request.length
    clipped = [
        replace(request, start=max(request.start, length.ceil(first)), end=min(request.end, length.floor(last)))
        for first, last in spans
    ]
    return [part for part in clipped if part.start < part.end]
