"""The simulated market: candles of any pair, interval and span as the exchange knows them at a moment of its clock."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import partial

from tests.exchange import text
from tests.exchange.blocks import Blocks, pieces
from tests.exchange.candles import (
    INTERVALS,
    Columns,
    aggregate,
    ceil,
    concat,
    floor,
    missing_hours,
    with_irregular_closes,
)
from tests.exchange.oddities import with_archive_only_hour, with_stale_rows
from tests.exchange.revisions import RECORDED_REVISION, Revision, revised
from tests.exchange.series import Series
from tests.exchange.universe import (
    ARCHIVE_ONLY_HOUR,
    HOUR,
    SHORT_DAY,
    SHORT_DAY_FIXED,
    Life,
    Pair,
    universe,
)

DAY = 24 * HOUR
_HOURS_BLOCK = 360 * DAY
_MINUTES_BLOCK = 30 * DAY
FOREVER = 1 << 40


class Market:
    """What REST and the archive answer from. Times are seconds since 1970 UTC; spans are half open."""

    def __init__(self, extended: int = 0) -> None:
        self._extended = extended
        self.reset()
        self._hour_blocks = Blocks(1_500_000)
        self._minute_blocks = Blocks(1_200_000)
        self._series: dict[tuple[str, int, str], Series] = {}

    def reset(self) -> None:
        """Forget all changes made while it ran."""
        self.pairs = dict(universe(self._extended))
        self.revisions: tuple[Revision, ...] = (RECORDED_REVISION,)
        self.outages: tuple[tuple[int, int], ...] = ()

    def change_pair(
        self,
        symbol: str,
        *,
        listed: int | None = None,
        delisted: int | None = None,
        relisted: int | None = None,
        price: str = "1",
        status: str | None = None,
        holes: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """List a new pair (`listed`), end one, let another asset take its ticker, suspend it (`holes`)."""
        pair = self.pairs.get(symbol)
        if pair is None:
            if listed is None:
                raise ValueError(f"{symbol} is no pair of this exchange: say when it is listed.")
            pair = Pair(symbol, symbol.removesuffix("USDT"), "USDT", (Life(listed, None, price),))
        lives = list(pair.lives)
        if delisted is not None:
            lives[-1] = replace(lives[-1], end=delisted)
        if relisted is not None:
            lives.append(Life(relisted, None, price))
        all_holes = tuple(sorted((*pair.holes, *holes)))
        self.pairs[symbol] = replace(pair, lives=tuple(lives), status=status or pair.status, holes=all_holes)

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
        end = min(end, floor(now, width))
        revisions = self.in_force(symbol, now, archive=archive)
        pair = self.pairs[symbol]
        if width >= HOUR:
            fine = self._hours(pair, start // HOUR * HOUR, end + width, revisions)
        else:
            fine = self._minutes(pair, start // HOUR * HOUR, end + HOUR, revisions)
        fine = fine.between(ceil(start, width), ceil(end, width))
        coarse = fine if width in (60, HOUR) else aggregate(fine, width)
        return with_irregular_closes(coarse.between(start, end), width)

    def forming(self, symbol: str, interval: str, now: int) -> Columns:
        """The candle that is being traded at `now`: none between lives, in a suspension or an outage."""
        width = INTERVALS[interval]
        start = floor(now, width)
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
                wanted = slice(0, missing) if start is not None else slice(max(len(part) - missing, 0), None)
                part = part.take(wanted)
                found.append(part)
                missing -= len(part)
        parts = found if start is not None else found[::-1]
        return text.rest_rows(concat([part for part in parts if len(part)]))

    def _grid_spans(self, pair: Pair, width: int, start: int, until: int) -> list[tuple[int, int]]:
        """Spans of the grid with candles, inside [start, until); two lives may share a candle, so they are merged."""
        merged: list[tuple[int, int]] = []
        for begin, end, _ in pair.spans(until):
            low, high = floor(begin, width), ceil(end, width)
            if merged and low <= merged[-1][1]:
                low = merged.pop()[0]
            merged.append((low, high))
        return [(max(low, start), min(high, until)) for low, high in merged]

    def _up_to_now(self, symbol: str, interval: str, start: int, end: int, now: int) -> Columns:
        closed = self.columns(symbol, interval, start, end, now=now)
        if end <= floor(now, INTERVALS[interval]):
            return closed
        return concat([closed, self.forming(symbol, interval, now).between(start, end)])

    def archive_rows(self, symbol: str, interval: str, start: int, end: int, *, monthly: bool, now: int) -> Columns:
        """The rows of one archive file, with what is known to be wrong in the archive."""
        rows = self.columns(symbol, interval, start, end, now=now, archive=True)
        width = INTERVALS[interval]
        if interval == "1h" and start <= ARCHIVE_ONLY_HOUR < end:
            rows = with_archive_only_hour(rows)
        if monthly and width <= HOUR:
            rows = with_stale_rows(rows, width)
        if not monthly and start == SHORT_DAY and now < SHORT_DAY_FIXED and len(rows) > 1:
            rows = rows.take(slice(0, len(rows) * 5 // 8))
        return rows

    def version(self, symbol: str, start: int, end: int, *, monthly: bool, now: int) -> tuple[int, int]:
        """Which edition of an archive file `archive_rows` gives, and since when (0: as first published)."""
        revisions = [r for r in self.in_force(symbol, now, archive=True) if start <= r.hour < end]
        moments = [r.at for r in revisions]
        if not monthly and start == SHORT_DAY and now >= SHORT_DAY_FIXED:
            moments.append(SHORT_DAY_FIXED)
        pair = self.pairs[symbol]
        changes = [span for span in self.outages if span[0] < end and span[1] > start]
        altered = (pair.lives, pair.holes) if pair is not universe(self._extended).get(symbol) else None
        facts = (revisions, moments, changes, altered)
        number = zlib.crc32(repr(facts).encode()) if any(facts) else 0
        return number, max(moments, default=0)

    def _of(self, pair: Pair, number: int) -> Series:
        key = (pair.symbol, number, pair.lives[number].price)
        if key not in self._series:
            self._series[key] = Series(pair, number)
        return self._series[key]

    def _hours(self, pair: Pair, start: int, end: int, revisions: tuple[Revision, ...]) -> Columns:
        """Hours of all lives in [start, end), holes left out, revisions applied."""
        parts = []
        for span_start, span_end, number in pair.spans(FOREVER):
            for low, high, block in pieces(max(span_start, start), min(span_end, end), _HOURS_BLOCK):
                series = self._of(pair, number)
                made = self._hour_blocks.get((series, block), partial(series.hours, block, block + _HOURS_BLOCK))
                part = made.between(low, high)
                for revision in revisions:
                    part = revised(part, revision, series)
                parts.append(part)
        hours = concat(parts)
        missing = missing_hours(hours.open_time)
        for outage_start, outage_end in self.outages:
            missing |= (hours.open_time >= outage_start) & (hours.open_time < outage_end)
        return hours.take(~missing) if missing.any() else hours

    def _minutes(self, pair: Pair, start: int, end: int, revisions: tuple[Revision, ...]) -> Columns:
        """Minutes in [start, end)."""
        parts = []
        for span_start, span_end, number in pair.spans(FOREVER):
            for low, high, block in pieces(max(span_start, start), min(span_end, end), _MINUTES_BLOCK):
                first, last = max(block, span_start), min(block + _MINUTES_BLOCK, span_end)

                def make(number: int = number, first: int = first, last: int = last) -> Columns:
                    return self._of(pair, number).minutes(self._hours(pair, first, last, revisions))

                key = (self._of(pair, number), first, last, revisions, self.outages)
                parts.append(self._minute_blocks.get(key, make).between(low, high))
        return concat(parts)


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
