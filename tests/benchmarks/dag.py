"""The whole main job: klines_initial_load of the core list, 1h and 1d, 2020-01-01 to 2025-09-30, through Airflow.

`make run` on a folder of its own, with files that the exchange has already built; then the same again. The figures are
those of the Dag run, from its start to its end in Airflow's own books. Beside it, the same work without Airflow: the
same lanes in as many processes, which tells how much of a run is the work.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from include.klines.settings import ROOT
from include.klines.universe.config import load_universe
from include.local.airflow_home import parallelism, plain_environment
from tests.benchmarks import machine
from tests.benchmarks.running import RunningLoad
from tests.benchmarks.spent import Spent, cpu_of, spend
from tests.benchmarks.table import Row

if TYPE_CHECKING:
    from pathlib import Path

    from include.local.postgres import PostgresServer

PERIOD = "2020-01-01:2025-10-01"
PARSE = """
import sys, time, runpy
import airflow.sdk, airflow.timetables.interval, airflow.providers.common.sql.operators.sql
started = time.perf_counter()
runpy.run_path(sys.argv[1])
heavy = ("numpy", "pandas", "psycopg", "pyarrow", "requests")
print(time.perf_counter() - started, *(name for name in heavy if name in sys.modules))
"""


def run(rounds: int) -> list[Row]:
    """Load everything, then load it again; load it without Airflow; parse every Dag file."""
    universe = load_universe()
    pairs = ",".join(universe.exchange_symbol(symbol) for symbol in universe.core)
    first, second, alone, again = [], [], [], []
    with machine.exchange(f"{pairs}:1h,1d:{PERIOD}") as exchange, machine.postgres() as server:
        for _ in range(rounds):
            with RunningLoad(exchange.url, "TIER=core") as load:
                first.append(load.run())
                second.append(load.run())
            dsn = machine.fresh_database(server)
            alone.append(_without_airflow(server, dsn, exchange.url))
            again.append(_without_airflow(server, dsn, exchange.url))
            machine.drop_database(server, dsn)
    work = f"{len(universe.core)} pairs, 1h and 1d, 5.75 years"
    return [
        Row(
            work=f"initial load through Airflow, {work}, {first[0].lanes} lanes",
            ours=[each.seconds for each in first],
            unit="s",
            goal="under 100 s, at most 2",
            beside=[each.wall for each in alone],
            beside_is=f"the same work without Airflow, in {parallelism()} processes",
            beside_cpu=[each.cpu for each in alone],
            cpu=[each.cpu for each in first],
            memory=max(each.largest_task for each in first),
            beside_memory=max(each.peak for each in alone),
            lower_is_better=True,
        ),
        Row(
            work=f"the same again, nothing to transfer, {second[0].inserted} rows written",
            ours=[each.seconds for each in second],
            unit="s",
            goal="at most 0.1",
            beside=[each.seconds for each in first],
            beside_is="the first load",
            cpu=[each.cpu for each in second],
            beside_cpu=[each.cpu for each in first],
            lower_is_better=True,
        ),
        Row(
            work=f"the same again without Airflow, {int(again[0].output)} rows written",
            ours=[each.wall for each in again],
            unit="s",
            goal="at most 0.1",
            beside=[each.wall for each in alone],
            beside_is="the first time without Airflow",
            cpu=[each.cpu for each in again],
            beside_cpu=[each.cpu for each in alone],
            lower_is_better=True,
        ),
        parse(rounds),
    ]


def parse(rounds: int) -> Row:
    """The slowest Dag file of each round, as Airflow parses it: in a process that has Airflow imported."""
    slowest, heavy = [], set()
    files = sorted((ROOT / "dags").glob("*.py"))
    for _ in range(rounds):
        seconds = []
        for file in files:
            spent = spend([[sys.executable, "-c", PARSE, file]], cwd=ROOT, env=plain_environment())
            figure, *found = spent.output.splitlines()[-1].split()
            seconds.append((float(figure), file.stem))
            heavy |= set(found)
        slowest.append(max(seconds))
    imports = ", ".join(sorted(heavy)) or "nothing heavy"
    return Row(
        work=f"parsing the slowest of {len(files)} Dag files ({slowest[0][1]}), which imports {imports}",
        ours=[1000 * figure for figure, _ in slowest],
        unit="ms",
        goal="under 500",
        lower_is_better=True,
    )


def _without_airflow(server: PostgresServer, dsn: str, url: str) -> Spent:
    """Scope, lanes and measurement in plain processes: CPU seconds with PostgreSQL's and those of the start of Python,
    wall seconds without it, the candles stored as output.
    """
    order = {"dsn": dsn, "url": url, "processes": parallelism(), "params": {"tier": "core"}}
    program: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.plain_load", json.dumps(order)]
    with cpu_of(server.pid() or 0) as served:
        spent = spend([program], cwd=ROOT, env=plain_environment())
    found = json.loads(spent.output.splitlines()[-1])
    return replace(spent, wall=found["seconds"], cpu=spent.cpu + served[0], output=str(found["candles"]))
