"""What klines_initial_load does, without Airflow; `python -m tests.load.driver JSON` does it as a process."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import psycopg

from binance_plugin.client import BinanceClient
from include.klines.clock import ExchangeClock
from include.klines.database import prepare
from include.klines.load.lanes import plan_lanes
from include.klines.load.loading import LaneLoader, LaneReport
from include.klines.load.planning import incomplete, load_scope, plan_series
from include.klines.params import validate_load_request
from include.klines.quality import measuring
from include.klines.universe.selection import fetch_listings
from tests.honesty import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RUN", "client_of", "fingerprint", "load", "never_wait", "rows"]
RUN = "manual__test"


def never_wait(seconds: float) -> None:
    """A retry's pause, without the pause."""


def client_of(url: str, sleep: Callable[[float], None] = never_wait, **settings: Any) -> BinanceClient:
    return BinanceClient.from_url(url, sleep=sleep, request_interval=0.0, burst_pause=0.0, **settings)


def load(
    conn: psycopg.Connection,
    url: str,
    *,
    refresh: bool = False,
    sleep: Callable[[float], None] = never_wait,
    loader: type[LaneLoader] = LaneLoader,
    **params: Any,
) -> list[LaneReport]:
    """What klines_initial_load does with these params."""
    client = client_of(url, sleep)
    clock = ExchangeClock.read(client)
    request = validate_load_request(params, clock=clock.now())
    scope = load_scope(client, conn, request, clock)
    lane_loader = loader(conn, client, clock, "klines_initial_load", RUN, request.source, refresh)
    series = plan_series(fetch_listings(conn), scope)
    if not refresh:
        series = incomplete(conn, series, clock.now())
    reports = [lane_loader.load(lane) for lane in plan_lanes(series)]
    measuring.measure(conn, scope.series, scope.window, clock.now())
    return reports


def rows(conn: psycopg.Connection, statement: str) -> list[tuple[Any, ...]]:
    return conn.execute(statement.encode()).fetchall()


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    with psycopg.connect(order["dsn"]) as connection:
        load(prepare(connection), order["url"], **order["params"])
