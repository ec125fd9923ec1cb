"""Candles of one series as numpy columns: decoding REST rows, holding them, and judging each one.

No Python object is made per candle but for those that are refused. Times are microseconds since 1970-01-01 00:00 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from include.klines.intervals import EPOCH
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.klines.intervals import Timeframe

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PRICES = ("open", "high", "low", "close")
VOLUMES = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
MICROSECOND = timedelta(microseconds=1)
MICROSECONDS_FROM = 10**15
"""Open times from here on are microseconds, smaller ones milliseconds (the archive switched on 2025-01-01)."""
NO_TIME = np.iinfo(np.int64).min
"""Stands for an open time that is no time; such a candle is refused."""
_REST_COLUMNS = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5} | {
    "quote_volume": 7, "taker_buy_volume": 9, "taker_buy_quote_volume": 10
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Candles:
    """Columns of one series, all of one length.

    open_time: int64 microseconds since 1970 UTC; prices and volumes: float64; trades: int64. Candles that passed
    `sorted_unique` ascend by open time without duplicates, which `slice` relies on.
    """

    open_time: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote_volume: Floats
    trades: Integers
    taker_buy_volume: Floats
    taker_buy_quote_volume: Floats

    def __len__(self) -> int:
        return len(self.open_time)

    def __eq__(self, other: object) -> bool:
        """Same candles in the same order, field by field; NaN equals NaN."""
        if not isinstance(other, Candles):
            return NotImplemented
        return len(self) == len(other) and not len(_rows_that_differ(self, other))

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    @classmethod
    def empty(cls) -> Candles:
        """No candles."""
        none, no_values = np.empty(0, np.int64), np.empty(0, np.float64)
        return cls(open_time=none, trades=none, **dict.fromkeys(PRICES + VOLUMES, no_values))

    @classmethod
    def concat(cls, parts: Iterable[Candles]) -> Candles:
        """The candles of `parts`, one after the other as they are."""
        filled = [part for part in parts if len(part)]
        if len(filled) < 2:
            return filled[0] if filled else cls.empty()
        return cls(*(np.concatenate([getattr(part, name) for part in filled]) for name in COLUMNS))

    @property
    def first_open(self) -> datetime:
        """Open time of the first candle, UTC; IndexError without candles."""
        return moment(int(self.open_time[0]))

    @property
    def last_open(self) -> datetime:
        """Open time of the last candle, UTC; IndexError without candles."""
        return moment(int(self.open_time[-1]))

    def take(self, chosen: Mask | Integers | slice) -> Candles:
        """The chosen candles: by a mask, positions or a slice (which copies nothing)."""
        return Candles(*(getattr(self, name)[chosen] for name in COLUMNS))

    def slice(self, window: Window) -> Candles:
        """The candles of sorted ones that open inside `window`; a view, nothing is copied."""
        first, last = np.searchsorted(self.open_time, [microseconds(window.start), microseconds(window.end)])
        return self if last - first == len(self) else self.take(slice(int(first), int(last)))

    def without(self, windows: Iterable[Window]) -> Candles:
        """The candles that open in none of `windows`."""
        keep = np.ones(len(self), dtype=np.bool_)
        for window in windows:
            keep &= (self.open_time < microseconds(window.start)) | (self.open_time >= microseconds(window.end))
        return self if keep.all() else self.take(keep)

    def sorted_unique(self) -> Candles:
        """In order of open time; of several with one open time the last one stays."""
        if (np.diff(self.open_time) > 0).all():
            return self
        ordered = self.take(np.argsort(self.open_time, kind="stable"))
        return ordered.take(np.append(np.diff(ordered.open_time) > 0, True))

    def contradictions(self) -> Integers:
        """Open times that occur more than once with different values."""
        ordered = self.take(np.argsort(self.open_time, kind="stable"))
        again = np.flatnonzero(np.diff(ordered.open_time) == 0)
        return ordered.open_time[again[_rows_that_differ(ordered.take(again), ordered.take(again + 1))]]

    def values(self, index: int) -> dict[str, float | int | str]:
        """One candle as JSON can hold it: numbers that are not finite as text."""
        found = {name: getattr(self, name)[index].item() for name in COLUMNS}
        return {name: value if np.isfinite(value) else str(value) for name, value in found.items()}


COLUMNS = tuple(field.name for field in fields(Candles))


@dataclass(frozen=True)
class RejectedCandle:
    """A candle that was received and is not stored. `timestamp`: its open time, None where it is no time."""

    timestamp: datetime | None
    reason: str
    values: dict[str, float | int | str]
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """As load/record_rejected.sql takes it."""
        timestamp = self.timestamp.isoformat() if self.timestamp else None
        return {"timestamp": timestamp, "source": self.source, "reason": self.reason, "candle": self.values}


def microseconds(when: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (when - EPOCH) // MICROSECOND


def moment(since_epoch: int) -> datetime:
    """The aware UTC time of `since_epoch` microseconds; OverflowError beyond the year 9999."""
    return EPOCH + since_epoch * MICROSECOND


def from_rest(rows: Sequence[Sequence[Any]]) -> Candles:
    """Rows of GET /api/v3/klines (12 items, numbers as strings) as candles, in the order given.

    Nothing is refused here: null and empty volumes become 0, and what is no number becomes NaN (or NO_TIME), which
    `split_valid` refuses.
    """
    if not rows:
        return Candles.empty()
    columns = list(zip(*rows, strict=True))
    opened = _integers(columns[0], NO_TIME)
    opened = np.where((opened == NO_TIME) | (opened >= MICROSECONDS_FROM), opened, opened * 1000)
    values = {name: _floats(columns[at], 0.0 if name in VOLUMES else np.nan) for name, at in _REST_COLUMNS.items()}
    return Candles(open_time=opened, trades=_integers(columns[8], 0), **values)


def split_valid(
    candles: Candles, timeframe: Timeframe, window: Window, closed_before: datetime, source: str = ""
) -> tuple[Candles, list[RejectedCandle]]:
    """The candles that may be stored, and those that may not, each with the first rule it breaks.

    window: where open times must lie. closed_before: the exchange's clock; a candle that ends after it is unfinished,
    which is normal, and is left out of both. close_time is not looked at: it is irregular in real data.
    """
    step = timeframe.seconds * 1_000_000
    opened = candles.open_time
    broken = {
        "the open time is not a time": opened == NO_TIME,
        f"the open time is not on the {timeframe.name} grid": opened % step != 0,
        "the open time is outside the window": (opened < microseconds(window.start))
        | (opened >= microseconds(window.end)),
        "a number is missing or not finite": ~np.logical_and.reduce(
            [np.isfinite(getattr(candles, name)) for name in PRICES + VOLUMES]
        ),
        "a price is negative": candles.low < 0,
        "high and low do not bound open and close": (candles.high < np.maximum(candles.open, candles.close))
        | (candles.low > np.minimum(candles.open, candles.close)),
        "a volume is negative": np.logical_or.reduce([getattr(candles, name) < 0 for name in (*VOLUMES, "trades")]),
    }
    refused = np.logical_or.reduce(list(broken.values()))
    unfinished = (opened > microseconds(closed_before) - step) & ~broken["the open time is outside the window"]
    keep = ~(refused | unfinished)
    if keep.all():
        return candles, []
    rejected = []
    for index in np.flatnonzero(refused & ~unfinished).tolist():
        reason = next(reason for reason, mask in broken.items() if mask[index])
        rejected.append(RejectedCandle(_moment_or_none(int(opened[index])), reason, candles.values(index), source))
    return candles.take(keep), rejected


def holes(candles: Candles, timeframe: Timeframe, windows: Iterable[Window]) -> list[Window]:
    """The grid opens inside `windows` at which there is no candle, neighbours joined into spans, in order.

    candles: in any order. windows: not overlapping, in order. A span ends where the last missing candle would end.
    """
    step = timeframe.seconds * 1_000_000
    found = []
    for window in windows:
        first = microseconds(timeframe.ceil(window.start))
        missing = np.ones(timeframe.count(window.start, window.end), dtype=np.int8)
        inside, offset = np.divmod(candles.open_time - first, step)
        missing[inside[(offset == 0) & (inside >= 0) & (inside < len(missing))]] = 0
        edges = np.flatnonzero(np.diff(missing, prepend=0, append=0)) * step + first
        found += [Window(moment(start), moment(end)) for start, end in edges.reshape(-1, 2).tolist()]
    return found


def runs(candles: Candles, timeframe: Timeframe) -> list[Window]:
    """The spans without a hole that candles cover, in order. candles: in order, without duplicates."""
    if not len(candles):
        return []
    step = timeframe.seconds * 1_000_000
    opened = candles.open_time
    last = np.append(np.flatnonzero(np.diff(opened) != step), len(opened) - 1)
    first = np.append(0, last[:-1] + 1)
    spans = zip(opened[first].tolist(), (opened[last] + step).tolist(), strict=True)
    return [Window(moment(start), moment(end)) for start, end in spans]


def _rows_that_differ(left: Candles, right: Candles) -> Integers:
    """Positions at which two of the same length have different candles."""
    differs = np.zeros(len(left), dtype=np.bool_)
    for name in COLUMNS:
        mine, other = getattr(left, name), getattr(right, name)
        differs |= (mine != other) & ~((mine != mine) & (other != other))  # only NaN differs from itself
    return np.flatnonzero(differs)


def _integers(column: Sequence[Any], fallback: int) -> Integers:
    if all(type(value) is int for value in column):
        try:
            return np.array(column, dtype=np.int64)
        except OverflowError:
            pass  # one value is beyond 64 bits: each is looked at below
    return np.array([_integer(value, fallback) for value in column], dtype=np.int64)


def _integer(value: Any, fallback: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return fallback
    return number if abs(number) < 2**62 else fallback


def _floats(column: Sequence[Any], fallback: float) -> Floats:
    try:
        return np.array(list(map(float, column)))  # as fast as Arrow, whose pa.array imports pandas
    except (TypeError, ValueError, OverflowError):
        return np.array([_float(value, fallback) for value in column])


def _float(value: Any, fallback: float) -> float:
    if value is None or value == "":
        return fallback
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _moment_or_none(since_epoch: int) -> datetime | None:
    try:
        return moment(since_epoch).astimezone(UTC)
    except OverflowError:
        return None
