"""Candles as integer columns, and longer candles from shorter ones.

Prices, volumes and turnovers are integers of 1e-8, so sums are exact and every timeframe agrees with every other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from tests.exchange.universe import HOUR, OUTAGES

if TYPE_CHECKING:
    from tests.exchange.noise import Ints

Mask = npt.NDArray[np.bool_]
Moment = TypeVar("Moment", int, "Ints")

UNITS = 100_000_000

INTERVALS = {
    "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR,
    "6h": 6 * HOUR, "8h": 8 * HOUR, "12h": 12 * HOUR, "1d": 24 * HOUR, "1w": 7 * 24 * HOUR,
}  # fmt: skip
"""The simulated intervals in seconds; 1s, 3d and 1M are Binance's but not simulated."""
MONDAY = 4 * 24 * HOUR
"""The first Monday since 1970 (UTC), where weeks begin: a multiple of every shorter interval."""


@dataclass(frozen=True)
class Columns:
    """Candles of one series by ascending open time (seconds); prices and volumes in 1e-8, `close_ms` as recorded."""

    open_time: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    close_ms: Ints
    quote: Ints
    trades: Ints
    taker: Ints
    taker_quote: Ints

    def __len__(self) -> int:
        return len(self.open_time)

    def take(self, rows: slice | Ints | Mask) -> Columns:
        """The chosen rows."""
        return Columns(*(getattr(self, field.name)[rows] for field in fields(self)))

    def between(self, start: int, end: int) -> Columns:
        """The candles that open in [start, end)."""
        first, last = np.searchsorted(self.open_time, [start, end])
        return self.take(slice(int(first), int(last)))


def floor(moment: Moment, seconds: int) -> Moment:
    """The open time (seconds) of the candle that a moment lies in."""
    return (moment - MONDAY) // seconds * seconds + MONDAY


def ceil(moment: Moment, seconds: int) -> Moment:
    """The first open time (seconds) at or after a moment."""
    return floor(moment + seconds - 1, seconds)


def concat(parts: list[Columns]) -> Columns:
    """The parts one after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Columns(*(np.zeros(0, dtype=np.int64) for _ in fields(Columns)))
    return Columns(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Columns)))


def aggregate(fine: Columns, seconds: int) -> Columns:
    """Longer candles from shorter ones: open first, high max, low min, close last, the rest summed."""
    if len(fine) == 0:
        return fine
    bucket = floor(fine.open_time, seconds)
    first = np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]])
    last = np.r_[first[1:], len(fine)] - 1
    open_time = bucket[first]
    end_ms = (open_time + seconds) * 1000 - 1
    return Columns(
        open_time=open_time,
        open=fine.open[first],
        high=np.maximum.reduceat(fine.high, first),
        low=np.minimum.reduceat(fine.low, first),
        close=fine.close[last],
        volume=np.add.reduceat(fine.volume, first),
        close_ms=end_ms,
        quote=np.add.reduceat(fine.quote, first),
        trades=np.add.reduceat(fine.trades, first),
        taker=np.add.reduceat(fine.taker, first),
        taker_quote=np.add.reduceat(fine.taker_quote, first),
    )


def with_irregular_closes(columns: Columns, seconds: int) -> Columns:
    """The candle in which an outage begins closes at the moment of the stop (hours and shorter, as recorded)."""
    if seconds > HOUR or len(columns) == 0:
        return columns
    close_ms = columns.close_ms.copy()
    for outage in OUTAGES:
        if outage.stop_ms % (seconds * 1000):
            row = int(np.searchsorted(columns.open_time, outage.stop_ms // 1000 // seconds * seconds))
            if row < len(columns) and columns.open_time[row] == outage.stop_ms // 1000 // seconds * seconds:
                close_ms[row] = outage.stop_ms
    return replace(columns, close_ms=close_ms)


def missing_hours(hours: Ints) -> Mask:
    """True where the whole exchange stood still for the whole hour (seconds of the hour's open)."""
    missing = np.zeros(len(hours), dtype=bool)
    for outage in OUTAGES:
        missing |= (hours >= -(-outage.stop_ms // 3_600_000) * HOUR) & (hours < outage.resume // HOUR * HOUR)
    return missing
