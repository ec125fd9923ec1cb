"""klines_initial_load through Airflow as `make run` starts it, in a folder of its own, watched while it runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import psutil

from include.klines.settings import ROOT
from include.local.airflow_api import AirflowApi
from include.local.state import STATE_VARIABLE, State

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = [sys.executable, "-m", "include.local"]
EVERY = 2.0
"""Seconds between two looks at the processes' memory."""


@dataclass(frozen=True)
class Run:
    """One Dag run: its start and end in Airflow's books (seconds since 1970), its lanes, the candles it stored.

    cpu: CPU seconds of all processes, from the order to its end, the start of Airflow included. scheduler and tasks:
    resident memory in MB, one figure a look, of tasks the largest.
    """

    start: float
    end: float
    lanes: int
    inserted: int
    cpu: float
    scheduler: tuple[float, ...]
    tasks: tuple[float, ...]
    instances: tuple[tuple[str, str, str], ...]
    """Each task instance: its id, start and end."""
    looks: tuple[tuple[float, float], ...]
    """Seconds since 1970, and the CPU seconds of all processes until then."""

    @property
    def largest_task(self) -> float:
        """The most memory that a task's process had, MB."""
        return max(self.tasks, default=0.0)

    @property
    def seconds(self) -> float:
        """From its start to its end."""
        return self.end - self.start

    @property
    def cores(self) -> float:
        """Cores that all processes kept busy from its start to its end."""
        return self._cores(self.start, self.end)

    def cores_of(self, task_id: str) -> float:
        """Cores that all processes kept busy from the first start of a task's instances to their last end."""
        spans = [(_since_1970(start), _since_1970(end)) for name, start, end in self.instances if name == task_id]
        return self._cores(min(start for start, _ in spans), max(end for _, end in spans))

    def _cores(self, start: float, end: float) -> float:
        first, last = np.interp([start, end], *zip(*self.looks, strict=True))
        return float(last - first) / (end - start)


class RunningLoad:
    """`make run` with some words (TIER=core) against one exchange; each `run` is one more run of the same."""

    def __init__(self, url: str, *words: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="klines-benchmark-run-", dir="/var/tmp"))
        self._environment = os.environ | {STATE_VARIABLE: str(self._folder)}
        self._seen = _Seen()
        self._order = [*PROGRAM, "run", *words, f"EXCHANGE={url}"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([*PROGRAM, "stop"], env=self._environment, cwd=ROOT, capture_output=True, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self) -> Run:
        """Run it once more; RuntimeError with the end of what `make run` said where it fails."""
        with _Watch(self._folder, self._seen) as watch:
            done = subprocess.run(
                self._order, env=self._environment, cwd=ROOT, capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise RuntimeError(f"make run failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        address = re.search(r"http://127\.0\.0\.1:(\d+)", done.stdout.rpartition("Airflow:")[2])
        if address is None:
            raise RuntimeError(f"make run named no address:\n{done.stdout[-3000:]}")
        api = AirflowApi(int(address[1]), State(self._folder).ui_password()[0])
        run = max(api.pages("dags/klines_initial_load/dagRuns", "dag_runs"), key=lambda each: each["start_date"])
        where = f"dags/klines_initial_load/dagRuns/{run['dag_run_id']}/taskInstances"
        tasks = list(api.pages(where, "task_instances"))
        lanes = [each for each in tasks if each["task_id"] == "load_lane" and each["map_index"] >= 0]
        summary = api.get(f"{where}/publish_summary/xcomEntries/return_value")
        return Run(
            _since_1970(run["start_date"]),
            _since_1970(run["end_date"]),
            len(lanes),
            _inserted(summary),
            watch.cpu,
            tuple(watch.scheduler),
            tuple(watch.tasks),
            tuple((each["task_id"], each["start_date"], each["end_date"]) for each in tasks),
            tuple(watch.looks),
        )


@dataclass
class _Seen:
    """What is known of processes by their ids, from one run to the next: whether they are ours, and what they spent."""

    ours: dict[int, bool] = field(default_factory=dict)
    spent: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Parent, and CPU seconds with those of its children that have ended."""


class _Watch:
    """Looks at the processes of one folder while something runs: those with it in their environment, and theirs."""

    def __init__(self, folder: Path, seen: _Seen) -> None:
        self.cpu = 0.0
        self.scheduler: list[float] = []
        self.tasks: list[float] = []
        self.looks: list[tuple[float, float]] = []
        self._folder = str(folder)
        self._seen = seen
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._before = self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.cpu = self._look() - self._before

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            self._look()

    def _look(self) -> float:
        """Note the memory of this moment; the CPU seconds spent so far, those of processes that have ended included."""
        scheduler = task = 0.0
        alive = set()
        for process in psutil.process_iter():
            try:
                if not self._is_ours(process):
                    continue
                times, parent, name = process.cpu_times(), process.ppid(), " ".join(process.cmdline())
                resident = process.memory_info().rss / 2**20
            except psutil.Error:
                continue  # it has just ended
            alive.add(process.pid)
            seconds = times.user + times.system + times.children_user + times.children_system
            self._seen.spent[process.pid] = (parent, seconds)
            if "airflow scheduler" in name:
                scheduler = max(scheduler, resident)
            elif name.startswith("airflow worker -- ") and "LocalExecutor" not in name:
                task = max(task, resident)
        self.scheduler.append(scheduler)
        self.tasks.append(task)
        for pid, (parent, _) in list(self._seen.spent.items()):
            if pid not in alive and parent in alive:
                del self._seen.spent[pid]  # its parent has its seconds now
        spent = sum(seconds for _, seconds in self._seen.spent.values())
        self.looks.append((time.time(), spent))
        return spent

    def _is_ours(self, process: psutil.Process) -> bool:
        """A process that renames itself overwrites its environment: its parent tells then."""
        ours = self._seen.ours
        if process.pid not in ours:
            named = process.environ().get(STATE_VARIABLE) == self._folder
            ours[process.pid] = named or ours.get(process.ppid(), False)
        return ours[process.pid]


def _since_1970(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _inserted(entry: dict[str, Any]) -> int:
    """How many candles the run's last task says were stored; its XCom may come as text."""
    value = entry["value"]
    return int((json.loads(value) if isinstance(value, str) else value)["inserted"])
