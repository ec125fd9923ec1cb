"""One lane as its task runs it, in a process of its own: `python -m tests.benchmarks.lane ORDER`, the order as JSON.

Prints {candles, seconds, megabytes}: candles stored, wall seconds from the first request on, peak resident memory.
With `budget` in the order its requests are paid from the shared budget of the database, as in a task.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg

from binance_plugin.budget import WeightBudget
from binance_plugin.client import BinanceClient
from include.klines.clock import ExchangeClock
from include.klines.database import prepare
from include.klines.load.lanes import Lane, SeriesPlan
from include.klines.load.loading import LaneLoader
from include.klines.windows import Window


def main() -> None:
    """Load the series of the order one after the other and say what it took."""
    order = json.loads(sys.argv[1])
    window = Window(datetime.fromisoformat(order["start"]), datetime.fromisoformat(order["end"]))
    series = tuple(SeriesPlan(name, f"{name}USDT", order["timeframe"], (window,)) for name in order["symbols"])
    connect = partial(psycopg.connect, order["dsn"], autocommit=True)
    shared = WeightBudget(connect, order["url"]) if order["budget"] else None
    client = BinanceClient.from_url(order["url"], budget=shared, request_interval=0.0, burst_pause=0.0)
    with psycopg.connect(order["dsn"]) as conn:
        prepare(conn)
        started = time.perf_counter()
        loader = LaneLoader(
            conn, client, ExchangeClock.read(client), "klines_initial_load", "benchmark", order["source"]
        )
        report = loader.load(Lane(" ".join(order["symbols"]), series))
        seconds = time.perf_counter() - started
    json.dump({"candles": report.counts.inserted, "seconds": seconds, "megabytes": _peak()}, sys.stdout)


def _peak() -> float:
    """This process's own high-water mark, MB; ru_maxrss would count the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
