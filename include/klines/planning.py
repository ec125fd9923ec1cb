"""From a checked request to the series and lanes of a run."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.klines.errors import InvalidRequest
from include.klines.intervals import TIMEFRAMES
from include.klines.lanes import Lane, SeriesPlan, plan_lanes
from include.klines.listings import sync_universe
from include.klines.selection import Listing, fetch_listings, select_symbols
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from binance_plugin.hook import BinanceHook
    from include.klines.params import LoadRequest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scope:
    """What a run works on: symbols in loading order, timeframes (longest first) and one window, UTC."""

    symbols: tuple[str, ...]
    timeframes: tuple[str, ...]
    window: Window
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The scope as it travels through XCom."""
        return {
            "symbols": list(self.symbols),
            "timeframes": list(self.timeframes),
            "start": self.window.start.isoformat(),
            "end": self.window.end.isoformat(),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Scope:
        """The inverse of `to_json`."""
        window = Window(datetime.fromisoformat(raw["start"]), datetime.fromisoformat(raw["end"]))
        return cls(tuple(raw["symbols"]), tuple(raw["timeframes"]), window, tuple(raw["notes"]))


def load_scope(hook: BinanceHook, conn: psycopg.Connection, request: LoadRequest) -> Scope:
    """Hold the universe against the exchange, then choose the symbols of the request.

    Raises InvalidRequest, with the nearest names, for a symbol that nobody knows, and where nothing is left to load.
    """
    report = sync_universe(hook, conn, symbols=request.symbols or None, tier=request.tier, limit=request.limit)
    log.info("universe: %s", report.summary())
    symbols = select_symbols(
        fetch_listings(conn), tier=request.tier, symbols=request.symbols or None, limit=request.limit
    )
    if not symbols:
        raise InvalidRequest(f"no symbol of the tier {request.tier} was ever listed: ask for another tier.")
    return Scope(tuple(symbols), request.timeframes, request.window, tuple(report.summary().splitlines()))


def plan_scope(listings: Sequence[Listing], scope: Scope) -> list[Lane]:
    """The lanes of a scope: timeframes as given (longest candles first), symbols in loading order within each.

    A series that was not listed inside the window has nothing to load and is logged, not planned.
    """
    series = [
        _series(listings, symbol, timeframe, scope.window) for timeframe in scope.timeframes for symbol in scope.symbols
    ]
    for plan in series:
        if not plan.windows:
            log.info("%s was not listed in %s: nothing to load", plan, scope.window)
    return plan_lanes(series)


def _series(listings: Sequence[Listing], symbol: str, timeframe: str, window: Window) -> SeriesPlan:
    step = TIMEFRAMES[timeframe]
    rows = sorted((row for row in listings if row.symbol == symbol), key=lambda row: row.listing_number)
    lives = [(step.floor(row.listed_at), row.delisted_at or window.end) for row in rows if row.listed_at is not None]
    parts = [Window(start, end).intersect(window) for start, end in lives if start < end]
    return SeriesPlan(symbol, rows[0].exchange_symbol, timeframe, tuple(part for part in parts if part is not None))
