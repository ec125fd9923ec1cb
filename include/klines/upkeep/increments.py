"""Daily increments: what a run of one day loads, the same whenever it runs.

Months that ended MONTHLY_LATE ago are settled: their archive files are published, and nothing of them is read again.
A run that is so late loads its whole month in one go, from the archive, and the later days of that month find it
stored. In months that are not settled a run reads its own day and the days before it from REST, one request a series,
and what changed since the last reading is a revision.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from include.klines import sql
from include.klines.intervals import TIMEFRAMES
from include.klines.ladder.parts import within
from include.klines.ladder.rungs import MONTHLY_LATE
from include.klines.load.lanes import plan_lanes
from include.klines.load.planning import Scope, series_plan
from include.klines.upkeep.scope import MOST_LANES, kept_series
from include.klines.windows import Window, merge, month_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    import psycopg

    from include.klines.load.lanes import Lane, SeriesPlan
    from include.klines.params import IncrementRequest
    from include.klines.universe.selection import Listing


def increment_scope(
    conn: psycopg.Connection,
    listings: Sequence[Listing],
    request: IncrementRequest,
    span: Window,
    notes: Iterable[str] = (),
) -> Scope:
    """The series that go on, in the run's `span` stretched back by the lookback.

    Pairs that were not listed in the window are left out: whoever was delisted before it is not asked for.
    """
    window = Window(span.start - request.lookback, span.end)
    kept = kept_series(conn, listings, symbols=request.symbols, timeframes=request.timeframes)
    names = {symbol for symbol, _ in kept}
    listings = [row for row in listings if row.symbol in names]
    alive = [key for key in kept if series_plan(listings, *key, window).windows]
    return Scope.of_series(alive, window, notes)


def increment_lanes(
    conn: psycopg.Connection, listings: Sequence[Listing], scope: Scope, lookback: timedelta, clock: datetime
) -> list[Lane]:
    """The lanes of one run: what is not settled is read again as a whole, what is settled only where it is missing."""
    settled_until = month_of(clock - MONTHLY_LATE).start
    month = month_of(scope.window.start + lookback)
    listings = [row for row in listings if row.symbol in scope.symbols]
    reach = merge([scope.window, month]) if month.end <= settled_until else [scope.window]
    plans: list[SeriesPlan] = []
    for name in scope.timeframes:
        symbols = [symbol for symbol, timeframe in scope.series if timeframe == name]
        settled = _on_grid(name, reach[0].start, min(reach[0].end, settled_until))
        recent = _on_grid(name, max(scope.window.start, settled_until), scope.window.end)
        late = _missing(conn, symbols, name, settled) if settled else {}
        for symbol in symbols:
            if settled and symbol in late:
                lives = series_plan(listings, symbol, name, settled)
                plans.append(replace(lives, windows=tuple(within(late[symbol], lives.windows))))
            if recent:
                plans.append(replace(series_plan(listings, symbol, name, recent), refresh=True))
    return plan_lanes(plans, MOST_LANES)


def _on_grid(timeframe: str, start: datetime, end: datetime) -> Window | None:
    """[start, end) with both ends taken down to the grid: only whole candles, the one around `start` included."""
    floor = TIMEFRAMES[timeframe].floor
    return Window(floor(start), floor(end)) if floor(start) < floor(end) else None


def _missing(conn: psycopg.Connection, symbols: list[str], timeframe: str, window: Window) -> dict[str, list[Window]]:
    """What of a settled window no source has been asked for, by symbol."""
    binds = {
        "symbols": symbols,
        "timeframe": timeframe,
        "range_start": window.start,
        "range_end": window.end,
    }
    missing: dict[str, list[Window]] = {}
    for symbol, start, end in conn.execute(sql.load("increments/unasked").encode(), binds):
        missing.setdefault(symbol, []).append(Window(start, end))
    return missing
