"""One daily increment of 1m, the work of all its tasks, in a process of its own: `… peers.increment ORDER`, JSON.

Prints {seconds, cpu}: wall and CPU seconds of the work, without the start of the interpreter and its imports, which in
Airflow are the task's and not the load's.
"""

from __future__ import annotations

import json
import sys
import time

import psycopg

from include.klines.database import prepare
from tests.load.upkeep import Address, Upkeep


def main() -> None:
    """Run the increment of the order's day; RuntimeError where it did not bring its candles."""
    order = json.loads(sys.argv[1])
    with psycopg.connect(order["dsn"]) as conn:
        upkeep = Upkeep(prepare(conn), Address(order["url"]))
        wall, cpu = time.perf_counter(), time.process_time()
        reports = upkeep.daily(order["day"], symbols=order["symbols"], timeframes=["1m"])
        spent = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    brought = sum(report.counts.inserted for report in reports)
    if brought < 1440 * len(order["symbols"]):
        raise RuntimeError(f"the increment of {order['day']} brought {brought} candles.")
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
