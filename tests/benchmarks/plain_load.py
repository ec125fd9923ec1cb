"""klines_initial_load without Airflow: `python -m tests.benchmarks.plain_load ORDER`, the order as JSON.

Scope and lanes are planned here, the lanes run in `processes` of their own, forked as Airflow forks its tasks, as many
at once, and the whole is measured. Prints {candles, seconds}: candles stored, wall seconds from the first request on,
without the start of the interpreter, which Airflow's processes have behind them.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import psycopg

from binance_plugin.client import BinanceClient
from include.klines.clock import ExchangeClock
from include.klines.database import prepare
from include.klines.load.lanes import Lane, plan_lanes
from include.klines.load.loading import LaneLoader
from include.klines.load.planning import incomplete, load_scope, plan_series
from include.klines.params import validate_load_request
from include.klines.quality.closing import measure_scope
from include.klines.universe.selection import fetch_listings


def main() -> None:
    """Plan, load, measure."""
    order = json.loads(sys.argv[1])
    started = time.perf_counter()
    client = BinanceClient.from_url(order["url"])
    clock = ExchangeClock.read(client)
    with psycopg.connect(order["dsn"]) as conn:
        prepare(conn)
        request = validate_load_request(order["params"], clock=clock.now())
        scope = load_scope(client, conn, request, clock)
        lanes = plan_lanes(incomplete(conn, plan_series(fetch_listings(conn), scope), clock.now()))
        with ProcessPoolExecutor(order["processes"], mp_context=get_context("fork")) as pool:
            stored = sum(pool.map(partial(_load, order), [lane.to_json() for lane in lanes]))
        measure_scope(client, conn, scope, clock.now())
    print(json.dumps({"candles": stored, "seconds": time.perf_counter() - started}))


def _load(order: dict[str, Any], lane: dict[str, Any]) -> int:
    client = BinanceClient.from_url(order["url"])
    with psycopg.connect(order["dsn"]) as conn:
        loader = LaneLoader(prepare(conn), client, ExchangeClock.read(client), "klines_initial_load", "benchmark")
        return loader.load(Lane.from_json(lane)).counts.inserted


if __name__ == "__main__":
    main()
