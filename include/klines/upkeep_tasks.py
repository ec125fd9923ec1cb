"""The bodies of the scheduled Dags' small tasks: Airflow in, JSON out. What they do is in the modules they call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from binance_plugin.hook import BinanceHook
from include.klines.clock import ExchangeClock
from include.klines.database import market_connection
from include.klines.increments import increment_lanes, increment_scope
from include.klines.params import validate_increment_request
from include.klines.planning import Scope
from include.klines.selection import fetch_listings
from include.klines.settings import BINANCE_CONN_ID
from include.klines.spans import increment_span
from include.klines.upkeep import keep_universe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.klines.lanes import Lane

log = logging.getLogger(__name__)


def choose_increment(context: Any) -> dict[str, Any]:
    """The scope of a daily run as JSON; InvalidRequest for a bad form."""
    hook = BinanceHook(BINANCE_CONN_ID)
    clock = ExchangeClock.read(hook).now()
    request = validate_increment_request(context["params"])
    span = increment_span(context["dag_run"], clock)
    with market_connection() as conn:
        notes = keep_universe(hook, conn, clock=clock, symbols=request.symbols)
        return increment_scope(conn, fetch_listings(conn), request, span, notes).to_json()


def make_increment_lanes(scope: dict[str, Any], context: Any) -> list[dict[str, Any]]:
    """The lanes of a daily run."""
    clock = ExchangeClock.read(BinanceHook(BINANCE_CONN_ID)).now()
    request = validate_increment_request(context["params"])
    with market_connection() as conn:
        return _json(increment_lanes(conn, fetch_listings(conn), Scope.from_json(scope), request.lookback, clock))


def _json(lanes: Iterable[Lane]) -> list[dict[str, Any]]:
    lanes = list(lanes)
    log.info("%s lanes: %s", len(lanes), ", ".join(lane.name for lane in lanes[:20]))
    return [lane.to_json() for lane in lanes]
