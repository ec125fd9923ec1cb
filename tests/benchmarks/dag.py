"""The whole main job: klines_initial_load of the core list, 1h and 1d, 2020-01-01 to 2025-09-30, through Airflow.

`make run` on a folder of its own, with files that the exchange has already built; then the same again. The figures are
those of the Dag run, from its start to its end in Airflow's own books.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from include.klines.settings import ROOT
from include.klines.universe.config import load_universe
from include.local.airflow_api import AirflowApi
from include.local.state import STATE_VARIABLE, State
from tests.benchmarks import machine
from tests.benchmarks.table import Row

PERIOD = "2020-01-01:2025-10-01"


def run(rounds: int) -> list[Row]:
    """Load everything, then load it again."""
    universe = load_universe()
    pairs = ",".join(universe.exchange_symbol(symbol) for symbol in universe.core)
    first, second = [], []
    with machine.exchange(f"{pairs}:1h,1d:{PERIOD}") as exchange:
        for _ in range(rounds):
            loaded, again = _twice(exchange.url)
            first.append(loaded)
            second.append(again)
    title = f"initial load through Airflow, {len(universe.core)} pairs, 1h and 1d, 5.75 years"
    return [
        Row(work=title, ours=first, unit="s", goal="under 150 s", lower_is_better=True),
        Row(
            work="the same again, nothing to transfer",
            ours=second,
            unit="s",
            beside=first,
            beside_is="the first load",
            lower_is_better=True,
        ),
    ]


def _twice(url: str) -> tuple[float, float]:
    folder = Path(tempfile.mkdtemp(prefix="klines-benchmark-run-", dir="/var/tmp"))
    environment = os.environ | {STATE_VARIABLE: str(folder)}
    program = [sys.executable, "-m", "include.local"]
    order = [*program, "run", "TIER=core", f"EXCHANGE={url}"]
    try:
        for _ in range(2):
            done = subprocess.run(order, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"make run failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        address = re.search(r"http://127\.0\.0\.1:(\d+)", done.stdout.rpartition("Airflow:")[2])
        if address is None:
            raise RuntimeError(f"make run named no address:\n{done.stdout[-3000:]}")
        api = AirflowApi(int(address[1]), State(folder).ui_password()[0])
        runs = sorted(api.pages("dags/klines_initial_load/dagRuns", "dag_runs"), key=lambda each: each["start_date"])
        loaded, again = (_seconds(each["start_date"], each["end_date"]) for each in runs)
    finally:
        subprocess.run([*program, "stop"], env=environment, cwd=ROOT, capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    return loaded, again


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
