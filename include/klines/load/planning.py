"""From a checked request to the series and lanes of a run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.klines import sql
from include.klines.errors import InvalidRequest
from include.klines.intervals import TIMEFRAMES
from include.klines.load.lanes import SeriesPlan
from include.klines.load.store import touch
from include.klines.quality.promised import measure_moved
from include.klines.universe.listings import sync_universe
from include.klines.universe.selection import Listing, fetch_listings, select_symbols
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg

    from binance_plugin.client import BinanceClient
    from include.klines.clock import ExchangeClock
    from include.klines.params import LoadRequest
    from include.klines.quality.measuring import Series

log = logging.getLogger(__name__)

COUNTED_FROM = 900
"""Candles of so many seconds or more are few enough to be counted while lanes are made."""


@dataclass(frozen=True)
class Scope:
    """What a run works on: symbols in loading order, timeframes (longest first) and one window, UTC.

    chosen: the series one by one where they are not all of symbols × timeframes.
    """

    symbols: tuple[str, ...]
    timeframes: tuple[str, ...]
    window: Window
    notes: tuple[str, ...] = ()
    chosen: tuple[Series, ...] | None = None

    @property
    def series(self) -> list[Series]:
        """Symbol and timeframe of each series, in loading order."""
        if self.chosen is not None:
            return list(self.chosen)
        return [(symbol, timeframe) for timeframe in self.timeframes for symbol in self.symbols]

    @property
    def measured(self) -> Window:
        """The window up to the last border of its longest timeframe: the 1d candle of a running day is not due."""
        ends = [TIMEFRAMES[name].floor(self.window.end) for name in self.timeframes]
        return Window(self.window.start, min(ends, default=self.window.end))

    @classmethod
    def of_series(cls, series: Sequence[Series], window: Window, notes: Iterable[str] = ()) -> Scope:
        """The scope of these series."""
        symbols = tuple(dict.fromkeys(symbol for symbol, _ in series))
        return cls(symbols, tuple(dict.fromkeys(name for _, name in series)), window, tuple(notes), tuple(series))

    def to_json(self) -> dict[str, Any]:
        """The scope as it travels through XCom."""
        return {
            "symbols": list(self.symbols),
            "timeframes": list(self.timeframes),
            "start": self.window.start.isoformat(),
            "end": self.window.end.isoformat(),
            "notes": list(self.notes),
            "series": None if self.chosen is None else [list(series) for series in self.chosen],
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Scope:
        """The inverse of `to_json`."""
        window = Window(datetime.fromisoformat(raw["start"]), datetime.fromisoformat(raw["end"]))
        chosen = None if raw["series"] is None else tuple((symbol, timeframe) for symbol, timeframe in raw["series"])
        return cls(tuple(raw["symbols"]), tuple(raw["timeframes"]), window, tuple(raw["notes"]), chosen)


def load_scope(client: BinanceClient, conn: psycopg.Connection, request: LoadRequest, clock: ExchangeClock) -> Scope:
    """Hold the universe against the exchange, then choose the symbols of the request.

    Raises InvalidRequest, with the nearest names, for a symbol that nobody knows, and where nothing is left to load.
    """
    report = sync_universe(
        client, conn, symbols=request.symbols or None, tier=request.tier, limit=request.limit, clock=clock.now
    )
    log.info("universe: %s", report.summary())
    measure_moved(conn, report.moved, report.synced_at)
    symbols = select_symbols(
        fetch_listings(conn), tier=request.tier, symbols=request.symbols or None, limit=request.limit
    )
    if not symbols:
        raise InvalidRequest(f"no symbol of the tier {request.tier} was ever listed: ask for another tier.")
    return Scope(tuple(symbols), request.timeframes, request.window, tuple(report.summary().splitlines()))


def plan_series(listings: Sequence[Listing], scope: Scope) -> list[SeriesPlan]:
    """The series of a scope: timeframes as given (longest candles first), symbols in loading order within each.

    A series that was not listed inside the window has nothing to load and is logged, not planned.
    """
    series = [series_plan(listings, symbol, timeframe, scope.window) for symbol, timeframe in scope.series]
    for plan in series:
        if not plan.windows:
            log.info("%s was not listed in %s: nothing to load", plan, scope.window)
    return [plan for plan in series if plan.windows]


def incomplete(conn: psycopg.Connection, series: Sequence[SeriesPlan], clock: datetime) -> list[SeriesPlan]:
    """The series that lack a candle which a load could bring, in the order given; the others are noted as synced.

    Series of 1m and 5m are not counted here but in their lanes: that takes as long as the rest of an idle lane.
    """
    counted = [plan for plan in series if TIMEFRAMES[plan.timeframe].seconds >= COUNTED_FROM]
    windows = [(plan, window.start, _closed(plan, window, clock)) for plan in counted for window in plan.windows]
    binds = {
        "symbols": [plan.symbol for plan, _, _ in windows],
        "timeframes": [plan.timeframe for plan, _, _ in windows],
        "starts": [start for _, start, _ in windows],
        "ends": [end for _, _, end in windows],
        "expected": [TIMEFRAMES[plan.timeframe].count(start, end) for plan, start, end in windows],
    }
    lacking = set(conn.execute(sql.load("load/incomplete_series").encode(), binds).fetchall())
    complete = [plan for plan in counted if plan.key not in lacking]
    touch(conn, complete, clock)
    return [plan for plan in series if plan not in complete]


def _closed(plan: SeriesPlan, window: Window, clock: datetime) -> datetime:
    """The end of the last candle of the window that is closed at `clock`."""
    step = TIMEFRAMES[plan.timeframe]
    return min(step.ceil(window.end), step.floor(clock))


def series_plan(listings: Sequence[Listing], symbol: str, timeframe: str, window: Window) -> SeriesPlan:
    """The parts of `window` in which the symbol was listed: none where its dates are not known."""
    step = TIMEFRAMES[timeframe]
    rows = sorted((row for row in listings if row.symbol == symbol), key=lambda row: row.listing_number)
    lives = [(step.floor(row.listed_at), row.delisted_at or window.end) for row in rows if row.listed_at is not None]
    parts = [Window(start, end).intersect(window) for start, end in lives if start < end]
    return SeriesPlan(symbol, rows[0].exchange_symbol, timeframe, tuple(part for part in parts if part is not None))
