"""Gap fills: exactly the windows that are missing without an explanation, asked for once a run.

An answer is final for the day: what REST and the archive both find empty is noted as such, and what they found empty on
two days is explained. So a hole that cannot be filled costs two runs, and one that nobody explains `max_attempts`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from binance_plugin.errors import ArchiveError
from include.klines import sql
from include.klines.errors import LoadError
from include.klines.ladder.parts import outside, within
from include.klines.load.lanes import SeriesPlan, plan_lanes
from include.klines.load.loading import LaneLoader
from include.klines.load.store import Counts, Fetched, RunRef, store_window
from include.klines.quality import measuring
from include.klines.upkeep.scope import MOST_LANES
from include.klines.upkeep.silence import silent_days
from include.klines.windows import Window, day_of, merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from include.klines.load.lanes import Lane
    from include.klines.load.planning import Scope
    from include.klines.universe.selection import Listing


@dataclass(frozen=True)
class Gap:
    """One unresolved gap as data_gap has it."""

    symbol: str
    timeframe: str
    gap_start: datetime
    gap_end: datetime
    missing_records: int
    cause: str
    attempts: int
    is_worth_asking: bool

    @property
    def window(self) -> Window:
        """From the first missing open time to the end of the last missing candle."""
        return Window(self.gap_start, self.gap_end)

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe} {self.window}: {self.missing_records:,} candles, {self.cause}"


def find_gaps(conn: psycopg.Connection, scope: Scope, max_attempts: int) -> list[Gap]:
    """The unresolved gaps of the scope, by series and time; they may reach beyond its window."""
    binds = {
        "symbols": [symbol for symbol, _ in scope.series],
        "timeframes": [timeframe for _, timeframe in scope.series],
        "range_start": scope.window.start,
        "range_end": scope.window.end,
        "max_attempts": max_attempts,
    }
    with conn.cursor(row_factory=class_row(Gap)) as cursor:
        return cursor.execute(sql.load("gaps/found").encode(), binds).fetchall()


def gap_lanes(listings: Sequence[Listing], gaps: Sequence[Gap]) -> list[Lane]:
    """The lanes that ask for every gap worth asking for; explained ones cost nothing."""
    names = {row.symbol: row.exchange_symbol for row in listings}
    worth = [gap for gap in gaps if gap.is_worth_asking and gap.symbol in names]
    plans = [
        SeriesPlan(symbol, names[symbol], timeframe, tuple(gap.window for gap in found))
        for (symbol, timeframe), found in groupby(worth, key=lambda gap: (gap.symbol, gap.timeframe))
    ]
    return plan_lanes(plans, MOST_LANES)


@dataclass(frozen=True)
class GapLoader(LaneLoader):
    """Loads gaps: each as one window, counted as an attempt.

    A gap is confirmed as a whole, by all that is known: an hour inside it in which the whole exchange stood still was
    not asked for, and whole days without a file are what the archive says by its silence.
    """

    def _missing(self, series: SeriesPlan, wanted: Window) -> Iterator[Window]:
        """An answer is final for the day: a lane that is tried again asks only for what it could not get."""
        for missing in super()._missing(series, wanted):
            binds = {
                "dag_id": self.dag_id,
                "run_id": self.run_id,
                "symbol": series.symbol,
                "timeframe": series.timeframe,
                "window_start": missing.start,
                "window_end": missing.end,
                "since": day_of(self.clock.now()).start,
            }
            (is_answered,) = self.conn.execute(sql.load("gaps/answered").encode(), binds).fetchone() or (False,)
            if not is_answered:
                yield missing

    def _pieces(self, series: SeriesPlan, missing: Window) -> Iterator[Window]:
        yield missing

    def _write(self, series: SeriesPlan, fetched: Fetched, run: RunRef) -> Counts:
        clock = self.clock.now()
        if not fetched.empty_by_rest:
            return store_window(self.conn, series, fetched, run=run, clock=clock, attempt=True)
        known = within(measuring.witnessed_holes(self.conn, series.timeframe, fetched.window), [fetched.window])
        empty_by_rest = merge([*fetched.empty_by_rest, *known])
        unheard = outside(empty_by_rest, fetched.empty_by_archive)
        try:
            silent = silent_days(self.client, series, unheard, clock)
        except ArchiveError as error:
            raise LoadError(f"whether the archive has {series} {fetched.window} is not known: {error}") from error
        fetched = replace(
            fetched, empty_by_rest=tuple(empty_by_rest), empty_by_archive=(*fetched.empty_by_archive, *known, *silent)
        )
        return store_window(self.conn, series, fetched, run=run, clock=clock, attempt=True)


@dataclass(frozen=True)
class Outcome:
    """What a gap fill did, in gaps and candles; `left` are the gaps without an explanation, `explained` by cause."""

    found: int
    found_candles: int
    filled: int
    filled_candles: int
    now_explained: int
    left: tuple[Gap, ...]
    explained: Mapping[str, int]


def outcome(conn: psycopg.Connection, lanes: Sequence[Lane], scope: Scope, max_attempts: int) -> Outcome:
    """Compare what the lanes asked for with what is missing now."""
    asked = [(plan, window) for lane in lanes for plan in lane.series for window in plan.windows]
    binds: dict[str, Any] = {
        "symbols": [plan.symbol for plan, _ in asked],
        "timeframes": [plan.timeframe for plan, _ in asked],
        "starts": [window.start for _, window in asked],
        "ends": [window.end for _, window in asked],
    }
    rows = conn.execute(sql.load("gaps/outcome").encode(), binds).fetchall()
    candles = sum(plan.candles for lane in lanes for plan in lane.series)
    gaps = find_gaps(conn, scope, max_attempts)
    left = tuple(gap for gap in gaps if gap.cause in {"open", "not_published"})
    causes = sorted(gap.cause for gap in gaps if gap not in left)
    return Outcome(
        found=len(asked),
        found_candles=candles,
        filled=sum(1 for _, still_open, explained in rows if not still_open and not explained),
        filled_candles=candles - sum(still_open + explained for _, still_open, explained in rows),
        now_explained=sum(1 for _, still_open, explained in rows if explained and not still_open),
        left=left,
        explained={cause: causes.count(cause) for cause in dict.fromkeys(causes)},
    )
