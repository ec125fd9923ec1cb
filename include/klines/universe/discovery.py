"""When a pair was listed and delisted, found by its first and last candles: asked of REST, else of the archive.

A pair usually has one life. A ticker that named another asset later has several, with a hole of days between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from binance_plugin.errors import MalformedAnswer
from include.klines.intervals import EPOCH, TIMEFRAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from binance_plugin.client import BinanceClient

GRACE = timedelta(days=3)
"""A pair that stopped less than this ago may be halted, not delisted."""
LONG_HOLE = timedelta(days=3)
"""Shorter holes are outages and suspensions; the 1d candles of a living pair never miss three days."""
JUMP = 5.0
"""Over a long hole a price ratio beyond this, or below its inverse, hints at another asset or a redenomination."""
FINEST_FIRST = ("1m", "1h", "1d")
WEEK = timedelta(days=7)
HOLE = "no candles from"
"""How a note about a long hole begins."""


@dataclass(frozen=True, order=True)
class Life:
    """One asset under a ticker: from its first candle's open to its last candle's end, None while it may go on."""

    listed_at: datetime
    delisted_at: datetime | None = None


class Hole(NamedTuple):
    """A long hole: where the candles stop and resume, to the day; opening price after it / closing price before it."""

    stops_at: datetime
    resumes_at: datetime
    ratio: float | None

    @property
    def jumps(self) -> bool:
        """True where the price after the hole has nothing to do with the price before it."""
        return self.ratio is not None and not 1 / JUMP <= self.ratio <= JUMP

    def __str__(self) -> str:
        ratio = "an unknown factor" if self.ratio is None else f"the factor {self.ratio:.4g}"
        return f"{HOLE} {self.stops_at:%Y-%m-%d} to {self.resumes_at:%Y-%m-%d}, price by {ratio}"


def first_candle(client: BinanceClient, exchange_symbol: str, since: datetime = EPOCH) -> datetime | None:
    """Open time of the first candle at or after `since`, to the minute where there are 1m candles; None without any."""
    for name in FINEST_FIRST:
        if rows := client.klines(exchange_symbol, name, start=since, limit=1):
            return _open_time(rows[0])
    return None


def last_candle_end(client: BinanceClient, exchange_symbol: str, before: datetime) -> datetime | None:
    """End of the last candle that opened before `before`, to the minute where there are 1m candles, or None."""
    for name in FINEST_FIRST:
        if rows := client.klines(exchange_symbol, name, end=before, limit=1):
            return _open_time(rows[-1]) + TIMEFRAMES[name].delta
    return None


def ended(end: datetime | None, now: datetime) -> datetime | None:
    """`end` as a delisting time, None while the grace after it lasts."""
    return end if end is not None and now - end >= GRACE else None


def long_holes(client: BinanceClient, exchange_symbol: str, since: datetime, now: datetime) -> list[Hole]:
    """The holes of three days and more after `since`, by paging 1d candles (1,000 a request), else 1h ones."""
    for name in ("1d", "1h"):
        timeframe = TIMEFRAMES[name]
        rows = chain.from_iterable(client.iter_klines(exchange_symbol, name, timeframe.floor(since), now))
        before, holes = next(rows, None), []
        if before is None:
            continue
        for row in rows:
            stops_at, resumes_at = _open_time(before) + timeframe.delta, _open_time(row)
            if resumes_at - stops_at >= LONG_HOLE:
                holes.append(Hole(stops_at, resumes_at, _ratio(before, row)))
            before = row
        return holes
    return []


def quiet_weeks(client: BinanceClient, exchange_symbol: str, since: datetime) -> bool:
    """True where the 1w candles from `since` on (one page for 19 years) leave no room for a jump in or between them.

    False without such candles. A pair's first week is not looked into: new listings jump. The week of `since` is, where
    it is a later one: the page begins with the week before it.
    """
    weeks = client.klines(exchange_symbol, "1w", start=since - 2 * WEEK, limit=1000)
    return bool(weeks) and not any(_may_jump(before, week) for before, week in pairwise(weeks))


def dividing_holes(holes: Sequence[Hole]) -> list[Hole]:
    """Which holes lie between two assets of a ticker known to be reused: those with a jump, else the longest one."""
    jumps = [hole for hole in holes if hole.jumps]
    return jumps or sorted(holes, key=lambda hole: hole.stops_at - hole.resumes_at)[:1]


def divide(client: BinanceClient, exchange_symbol: str, life: Life, holes: Sequence[Hole]) -> list[Life]:
    """`life` cut at `holes`, the exact borders asked of the exchange (two requests a hole)."""
    lives, listed_at = [], life.listed_at
    for hole in holes:
        lives.append(Life(listed_at, last_candle_end(client, exchange_symbol, hole.resumes_at) or hole.stops_at))
        listed_at = first_candle(client, exchange_symbol, hole.resumes_at) or hole.resumes_at
    return [*lives, Life(listed_at, life.delisted_at)]


def _open_time(row: Sequence[Any]) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=int(row[0]))
    except (TypeError, ValueError, IndexError, OverflowError):
        raise MalformedAnswer(f"a candle begins with no open time in milliseconds: {str(row)[:120]}.") from None


def _ratio(before: Sequence[Any], after: Sequence[Any]) -> float | None:
    """Opening price of `after` / closing price of `before`."""
    return _quotient(after, 1, before, 4)


def _may_jump(before: Sequence[Any], week: Sequence[Any]) -> bool:
    """True where a jump may lie between two weeks or inside the second one."""
    between, inside = _ratio(before, week), _quotient(week, 2, week, 3)
    return between is None or inside is None or inside > JUMP or not 1 / JUMP <= between <= JUMP


def _quotient(above: Sequence[Any], column: int, below: Sequence[Any], divisor: int) -> float | None:
    try:
        return float(above[column]) / float(below[divisor])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
