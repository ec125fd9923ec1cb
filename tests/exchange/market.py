"""The simulated market: candles of any pair, interval and span as the exchange knows them at a moment of its clock."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tests.exchange import text
from tests.exchange.candles import INTERVALS, Columns, aggregate, concat, missing_hours, with_irregular_closes
from tests.exchange.series import Series
from tests.exchange.universe import (
    ARCHIVE_ONLY_CLOSE_MS,
    ARCHIVE_ONLY_HOUR,
    HOUR,
    SHORT_DAY,
    SHORT_DAY_FIXED,
    Pair,
    seconds,
    universe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAY = 24 * HOUR
_HOURS_BLOCK = 360 * DAY
_MINUTES_BLOCK = 30 * DAY
FOREVER = 1 << 40


@dataclass(frozen=True)
class Revision:
    """The exchange changes an old hour (and with it its minutes and its day) at the moment `at` of its clock.

    `volume_percent` scales volume, turnover and trades; `high_ticks` lifts the high. `archive` tells whether the
    archive's files are replaced too.
    """

    symbol: str
    hour: int
    at: int
    volume_percent: int = 131
    high_ticks: int = 0
    archive: bool = True


RECORDED_REVISION = Revision("BTCUSDT", seconds("2021-01-11 08:00"), seconds("2021-09-01 00:00"))
"""BINANCE.md section 3: Binance revised this hour in or after 2021-08."""


class Blocks:
    """The last made blocks of candles, bounded by their rows; safe between threads."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._held = 0
        self._blocks: OrderedDict[tuple[object, ...], Columns] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...], make: Callable[[], Columns]) -> Columns:
        """The block under `key`, made when it is not held."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = make()
        with self._lock:
            if key not in self._blocks:
                self._blocks[key] = block
                self._held += len(block)
            while self._held > self._rows and len(self._blocks) > 1:
                self._held -= len(self._blocks.popitem(last=False)[1])
        return block


class Market:
    """What REST and the archive answer from. Times are seconds since 1970 UTC; spans are half open."""

    def __init__(self, extended: int = 0) -> None:
        self.pairs = universe(extended)
        self.revisions: tuple[Revision, ...] = (RECORDED_REVISION,)
        self._hour_blocks = Blocks(1_500_000)
        self._minute_blocks = Blocks(1_200_000)
        self._series: dict[tuple[str, int], Series] = {}

    def visible(self, now: int) -> list[Pair]:
        """The pairs exchangeInfo lists: all that have begun and were not purged."""
        return [pair for pair in self.pairs.values() if pair.known and pair.lives[0].start <= now]

    def pair(self, symbol: str, now: int) -> Pair | None:
        """The pair REST answers for, or None (-1121)."""
        pair = self.pairs.get(symbol)
        return pair if pair and pair.known and pair.lives[0].start <= now else None

    def in_force(self, symbol: str, now: int, *, archive: bool = False) -> tuple[Revision, ...]:
        """The revisions of a pair made by `now`."""
        return tuple(r for r in self.revisions if r.symbol == symbol and r.at <= now and (r.archive or not archive))

    def columns(self, symbol: str, interval: str, start: int, end: int, *, now: int, archive: bool = False) -> Columns:
        """The candles that open in [start, end) and are closed at `now`."""
        width = INTERVALS[interval]
        end = min(end, now // width * width)
        revisions = self.in_force(symbol, now, archive=archive)
        pair = self.pairs[symbol]
        if width >= HOUR:
            fine = self._hours(pair, start // HOUR * HOUR, end + width, revisions)
        else:
            fine = self._minutes(pair, start // HOUR * HOUR, end + HOUR, revisions)
        fine = fine.between(-(-start // width) * width, -(-end // width) * width)
        coarse = fine if width in (60, HOUR) else aggregate(fine, width)
        return with_irregular_closes(coarse.between(start, end), width)

    def forming(self, symbol: str, interval: str, now: int) -> Columns:
        """The candle that is being traded at `now`: none between lives, in a suspension or an outage."""
        width = INTERVALS[interval]
        start = now // width * width
        pair = self.pairs[symbol]
        minute = now // 60 * 60
        fine = self._minutes(pair, start // HOUR * HOUR, now + 60, self.in_force(symbol, now)).between(
            start, minute + 60
        )
        elapsed = max(now - minute, 1)
        if len(fine) and fine.open_time[-1] == minute:
            fine = concat([fine.take(slice(0, -1)), _part_of(fine.take(slice(-1, None)), elapsed)])
        return replace_close(aggregate(fine, width), width)

    def rest(self, symbol: str, interval: str, start: int | None, end: int | None, limit: int, now: int) -> bytes:
        """One page of /klines: candles that open in [start, end]; oldest first from `start`, else the last ones."""
        width = INTERVALS[interval]
        until = now + 1 if end is None else min(end + 1, now + 1)
        spans = self._grid_spans(self.pairs[symbol], width, max(start or 0, 0), until)
        found: list[Columns] = []
        missing = limit
        for span_start, span_end in spans if start is not None else reversed(spans):
            cursor_start, cursor_end = span_start, span_end
            while missing > 0 and cursor_start < cursor_end:
                # outages lie inside a span: take a little more than asked for, then go on
                reach = (missing + 8) * width
                if start is not None:
                    part_start, part_end = cursor_start, min(cursor_start + reach, cursor_end)
                    cursor_start = part_end
                else:
                    part_start, part_end = max(cursor_end - reach, cursor_start), cursor_end
                    cursor_end = part_start
                part = self._up_to_now(symbol, interval, part_start, part_end, now)
                part = (
                    part.take(slice(0, missing))
                    if start is not None
                    else part.take(slice(max(len(part) - missing, 0), None))
                )
                found.append(part)
                missing -= len(part)
        parts = found if start is not None else found[::-1]
        return text.rest_rows(concat([part for part in parts if len(part)]))

    def _grid_spans(self, pair: Pair, width: int, start: int, until: int) -> list[tuple[int, int]]:
        """Spans of the grid with candles, inside [start, until); two lives may share a candle, so they are merged."""
        merged: list[tuple[int, int]] = []
        for begin, end, _ in pair.spans(until):
            low, high = begin // width * width, -(-end // width) * width
            if merged and low <= merged[-1][1]:
                low = merged.pop()[0]
            merged.append((low, high))
        return [(max(low, start), min(high, until)) for low, high in merged]

    def _up_to_now(self, symbol: str, interval: str, start: int, end: int, now: int) -> Columns:
        closed = self.columns(symbol, interval, start, end, now=now)
        if end <= now // INTERVALS[interval] * INTERVALS[interval]:
            return closed
        return concat([closed, self.forming(symbol, interval, now).between(start, end)])

    def archive_rows(self, symbol: str, interval: str, start: int, end: int, *, monthly: bool, now: int) -> Columns:
        """The rows of one archive file, with what is known to be wrong in the archive."""
        rows = self.columns(symbol, interval, start, end, now=now, archive=True)
        width = INTERVALS[interval]
        if interval == "1h" and start <= ARCHIVE_ONLY_HOUR < end:
            rows = _with_archive_only_hour(rows)
        if monthly and width <= HOUR:
            rows = _with_stale_rows(rows, width)
        if not monthly and start == SHORT_DAY and now < SHORT_DAY_FIXED and len(rows) > 1:
            rows = rows.take(slice(0, len(rows) * 5 // 8))
        return rows

    def version(self, symbol: str, start: int, end: int, *, monthly: bool, now: int) -> tuple[int, int]:
        """Which edition of an archive file `archive_rows` gives, and since when (0: as first published)."""
        moments = [r.at for r in self.in_force(symbol, now, archive=True) if start <= r.hour < end]
        if not monthly and start == SHORT_DAY and now >= SHORT_DAY_FIXED:
            moments.append(SHORT_DAY_FIXED)
        return len(moments), max(moments, default=0)

    def _of(self, pair: Pair, number: int) -> Series:
        key = (pair.symbol, number)
        if key not in self._series:
            self._series[key] = Series(pair, number)
        return self._series[key]

    def _hours(self, pair: Pair, start: int, end: int, revisions: tuple[Revision, ...]) -> Columns:
        """Hours of all lives in [start, end), holes left out, revisions applied."""
        parts = []
        for span_start, span_end, number in pair.spans(FOREVER):
            for low, high, block in _blocks(max(span_start, start), min(span_end, end), _HOURS_BLOCK):
                series = self._of(pair, number)
                made = self._hour_blocks.get((series, block), lambda s=series, b=block: s.hours(b, b + _HOURS_BLOCK))  # type: ignore[misc]
                part = made.between(low, high)
                for revision in revisions:
                    part = _revised(part, revision, series)
                parts.append(part)
        hours = concat(parts)
        missing = missing_hours(hours.open_time)
        return hours.take(~missing) if missing.any() else hours

    def _minutes(self, pair: Pair, start: int, end: int, revisions: tuple[Revision, ...]) -> Columns:
        """Minutes in [start, end)."""
        parts = []
        for span_start, span_end, number in pair.spans(FOREVER):
            for low, high, block in _blocks(max(span_start, start), min(span_end, end), _MINUTES_BLOCK):
                first, last = max(block, span_start), min(block + _MINUTES_BLOCK, span_end)

                def make(number: int = number, first: int = first, last: int = last) -> Columns:
                    return self._of(pair, number).minutes(self._hours(pair, first, last, revisions))

                parts.append(self._minute_blocks.get((pair.symbol, first, revisions), make).between(low, high))
        return concat(parts)


def _blocks(start: int, end: int, size: int) -> Iterator[tuple[int, int, int]]:
    """The pieces of [start, end) by block: (start, end, start of the block)."""
    for block in range(start // size * size, end, size):
        yield max(start, block), min(end, block + size), block


def replace_close(columns: Columns, width: int) -> Columns:
    """Closes as far as the interval reaches."""
    return replace(columns, close_ms=(columns.open_time + width) * 1000 - 1)


def _part_of(minute: Columns, elapsed: int) -> Columns:
    """A minute of which `elapsed` seconds are over."""
    share = {
        name: getattr(minute, name) * elapsed // 60 for name in ("volume", "quote", "trades", "taker", "taker_quote")
    }
    if elapsed < 30:
        share |= {"high": minute.open, "low": minute.open, "close": minute.open}
    return replace(minute, **share)


def _revised(hours: Columns, revision: Revision, series: Series) -> Columns:
    row = int(np.searchsorted(hours.open_time, revision.hour))
    if row == len(hours) or hours.open_time[row] != revision.hour:
        return hours
    changed = {}
    for name, unit in (
        ("volume", series.step),
        ("taker", series.step),
        ("quote", 1),
        ("taker_quote", 1),
        ("trades", 1),
    ):
        values = changed[name] = getattr(hours, name).copy()
        values[row] = max(values[row] * revision.volume_percent // 100 // unit * unit, 60 if name == "trades" else 0)
    changed["high"] = hours.high.copy()
    changed["high"][row] += revision.high_ticks * series.tick
    return replace(hours, **changed)


def _with_archive_only_hour(rows: Columns) -> Columns:
    before = rows.between(0, ARCHIVE_ONLY_HOUR)
    if len(before) == 0 or before.open_time[-1] != ARCHIVE_ONLY_HOUR - HOUR:
        return rows
    last = before.take(slice(-1, None))
    nothing = np.zeros(1, dtype=np.int64)
    flat = Columns(
        nothing + ARCHIVE_ONLY_HOUR, last.close, last.close, last.close, last.close, nothing,
        nothing + ARCHIVE_ONLY_CLOSE_MS, nothing, nothing, nothing, nothing,
    )  # fmt: skip
    return concat([before, flat, rows.between(ARCHIVE_ONLY_HOUR, 1 << 40)])


_STALE = (
    (seconds("2020-12-21 13:00"), seconds("2020-12-21 13:50")),
    (seconds("2021-09-29 06:58"), seconds("2021-09-29 07:00")),
)


def _with_stale_rows(rows: Columns, width: int) -> Columns:
    """Monthly files keep the values of before a correction on two days (binance-public-data issue 475)."""
    wrong = np.zeros(len(rows), dtype=bool)
    for start, end in _STALE:
        wrong |= (rows.open_time < end) & (rows.open_time + width > start)
    if not wrong.any():
        return rows
    share = {}
    for name in ("volume", "quote", "trades", "taker", "taker_quote"):
        values = getattr(rows, name)
        share[name] = np.where(wrong, values * 9 // 10, values)
    return replace(rows, **share)
