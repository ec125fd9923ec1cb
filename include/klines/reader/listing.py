"""Which asset a symbol names, and when it was listed: the range of a read must lie inside one listing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from include.klines.intervals import TIMEFRAMES
from include.klines.reader.connection import refuse_rewritten
from include.klines.reader.errors import RangeOutsideListing, ReusedTicker, UnknownSymbol
from include.klines.reader.request import Length, Request, base_candidates, in_utc, micros, moment
from include.klines.reader.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg

TRADES_ON = 2**62


@dataclass(frozen=True)
class Listing:
    """One asset under a symbol; listed_at None where it was not discovered yet, delisted_at None while it trades."""

    number: int
    asset: str
    exchange_symbol: str
    listed_at: datetime | None
    delisted_at: datetime | None
    successor: str | None
    successor_ratio: float | None

    def __str__(self) -> str:
        since = f"{self.listed_at:%Y-%m-%d %H:%M}" if self.listed_at else "an unknown time"
        until = f"{self.delisted_at:%Y-%m-%d %H:%M}" if self.delisted_at else "now"
        return f"{self.asset} number {self.number} from {since} to {until}"

    def first_open(self, length: Length) -> int:
        """The first open time that is expected, in microseconds; smaller than all times where it is not known."""
        return length.floor(micros(self.listed_at)) if self.listed_at else -TRADES_ON

    def last_end(self, length: Length) -> int:
        """The end of the last candle that is expected, in microseconds; larger than all times while it trades."""
        return length.ceil(micros(self.delisted_at)) if self.delisted_at else TRADES_ON


@dataclass(frozen=True)
class Subject:
    """A symbol as the snapshot knows it: its listings in order of time, the exchange, and the time of the read."""

    symbol: str
    read_at: datetime
    exchange: str | None
    listings: tuple[Listing, ...]


def find_subjects(conn: psycopg.Connection, symbols: Sequence[str]) -> dict[str, Subject]:
    """The listings of each symbol; none for a symbol that is stored only, or not known at all."""
    subjects: dict[str, Subject] = {}
    rows = conn.execute(statement("listing"), {"symbols": list(symbols)})
    for symbol, read_at, exchange, *listing in map(in_utc, rows):
        known = subjects.setdefault(symbol, Subject(symbol, read_at, exchange, ()))
        if listing[0] is not None:
            subjects[symbol] = replace(known, listings=(*known.listings, Listing(*listing)))
    return subjects


def find_listing(subject: Subject, request: Request, base: Length) -> Listing | None:
    """The one listing that holds all of `request`, None for a symbol without any.

    Raises ReusedTicker where the range touches two assets, RangeOutsideListing where it leaves the one it touches. An
    aggregated candle (base shorter than the request's length) lies inside where all its stored candles do.
    """
    if not subject.listings:
        return None
    touched = touched_listings(subject, request, base)
    spans = [(listing.listed_at, listing.delisted_at) for listing in subject.listings]
    what = f"{subject.symbol} {request.length.name} {request}"
    if len(touched) > 1:
        names = "; ".join(map(str, touched))
        raise ReusedTicker(
            f"{what} spans two assets that share the ticker and are never stitched: {names}; read one at a time.", spans
        )
    known = "; ".join(map(str, subject.listings))
    if not touched:
        raise RangeOutsideListing(f"{what} lies outside the listing ({known}): choose a range inside it.", spans)
    listing = touched[0]
    first, last = listing.first_open(base), listing.last_end(base)
    if base is not request.length:
        first, last = request.length.ceil(first), request.length.floor(last)
    if request.start < first or request.end > last:
        start = f"{moment(max(first, request.start)):%Y-%m-%d %H:%M}"
        end = f"{moment(min(last, request.end)):%Y-%m-%d %H:%M}"
        raise RangeOutsideListing(
            f"{what} leaves the listing ({known}): the part from {start} to {end} lies inside.", spans
        )
    return listing


def touched_listings(subject: Subject, request: Request, base: Length) -> list[Listing]:
    """The listings of which the range holds a candle of length `base`."""
    return [
        listing
        for listing in subject.listings
        if listing.first_open(base) < request.end and request.start < listing.last_end(base)
    ]


def find_base(conn: psycopg.Connection, subject: Subject, length: Length) -> Length:
    """The length to read `length` from: itself where it is stored, else the longest stored one that divides it.

    Where nothing is stored it is the one to load. UnknownSymbol for a symbol that is neither listed nor stored.
    """
    stored = {name for (name,) in conn.execute(statement("stored_timeframes"), {"symbol": subject.symbol})}
    candidates = [one for one in (length, *base_candidates(length)) if one.name in TIMEFRAMES]
    base = next((one for one in candidates if one.name in stored), None)
    refuse_rewritten(conn, candidates[: candidates.index(base) + 1] if base else candidates)
    if not stored and not subject.listings:
        raise UnknownSymbol(subject.symbol, nearest_symbols(conn, subject.symbol))
    return base or candidates[0]


def nearest_symbols(conn: psycopg.Connection, symbol: str) -> Sequence[str]:
    """Known symbols that look like `symbol`; BTCUSDT finds BTC."""
    known = [name for (name,) in conn.execute(statement("known_symbols"))]
    upper = symbol.upper().replace("/", "")
    bare = [name for name in known if upper in (name, f"{name}USDT")]
    return (bare + [name for name in get_close_matches(upper, known, n=3, cutoff=0.5) if name not in bare])[:3]
