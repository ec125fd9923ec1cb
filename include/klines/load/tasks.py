"""The bodies of the Dags' small tasks: Airflow in, JSON out. What they do is in the modules they call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from binance_plugin.hook import BinanceHook
from include.klines.clock import ExchangeClock
from include.klines.database import market_connection
from include.klines.errors import LoadError
from include.klines.load import summary
from include.klines.load.lanes import plan_lanes
from include.klines.load.planning import Scope, incomplete, load_scope, plan_series
from include.klines.params import validate_load_request
from include.klines.settings import BINANCE_CONN_ID
from include.klines.summing_up import ended, lanes_failed, leave_note
from include.klines.universe.selection import fetch_listings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)


def choose_load_scope(params: Mapping[str, Any]) -> dict[str, Any]:
    """Check the form of klines_initial_load and return the scope of the run as JSON; InvalidRequest in one sentence."""
    hook = BinanceHook(BINANCE_CONN_ID)
    clock = ExchangeClock.read(hook)
    request = validate_load_request(params, clock=clock.now())
    with market_connection() as conn:
        return load_scope(hook, conn, request, clock).to_json()


def make_lanes(scope: dict[str, Any], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lanes of what is missing in a scope (of all of it to `refresh`), as JSON, in loading order."""
    clock = ExchangeClock.read(BinanceHook(BINANCE_CONN_ID)).now()
    with market_connection() as conn:
        series = plan_series(fetch_listings(conn), Scope.from_json(scope))
        lanes = plan_lanes(series if params.get("refresh") else incomplete(conn, series, clock))
    log.info("%s lanes: %s", len(lanes), ", ".join(lane.name for lane in lanes[:20]))
    return [lane.to_json() for lane in lanes]


def publish_load_summary(
    scope: dict[str, Any] | None, lanes: Sequence[Mapping[str, Any]] | None, context: Any
) -> dict[str, Any]:
    """Write the run's note; LoadError where a lane did not end well, so that the run fails and nothing is published."""
    if scope is None or lanes is None:
        raise LoadError("nothing was planned, so nothing was loaded: the first red task says why.")
    run_id, dag_id = context["run_id"], context["dag"].dag_id
    reports, lost = ended(context, "load_lane", lanes)
    with market_connection() as conn:
        note = summary.load_note(conn, Scope.from_json(scope), dag_id=dag_id, run_id=run_id, lost=lost)
    leave_note(context, note)
    if lost:
        raise LoadError(lanes_failed(lost, len(lanes)))
    return {"lanes": len(lanes), "inserted": sum(report["inserted"] for report in reports)}
