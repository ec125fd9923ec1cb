"""One run of klines_initial_load, from its trigger to its end, as seen from outside."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from include.klines import sql
from include.klines.load.lanes import Lane
from include.local.errors import LocalRunError

if TYPE_CHECKING:
    import psycopg

    from include.local.airflow_api import AirflowApi

DAG_ID = "klines_initial_load"
RUN_PREFIX = "make_run__"
PLAN_TASK = "make_lanes"
SCOPE_TASK = "choose_scope"
LANE_TASK = "load_lane"
CLOSING_TASK = "publish_summary"  # it fails because others did
MOST_FAILURES = 60
FINISHED = ("success", "failed", "upstream_failed", "skipped", "removed")
RUNNING_STATES = {"running": "", "up_for_retry": " (failed, to be tried again)"}
BUSY = ("running", "up_for_retry", "up_for_reschedule", "deferred", "restarting")
TROUBLED = ("up_for_retry", "failed")
OVER = ("success", "failed")


@dataclass(frozen=True)
class Failure:
    """A window or a task that did not work, with the reason; `task` failures have no window."""

    what: str
    reason: str


@dataclass
class Snapshot:
    """Where the run stands. Candles `expected` is an upper bound: what is stored already is not transferred again.

    `idle`: the run is on, but none of its tasks runs or waits for another try.
    """

    state: str = "queued"
    step: str = ""
    lanes: int = 0
    lanes_done: int = 0
    lanes_failed: int = 0
    lanes_waiting: int = 0
    expected: int = 0
    accounted: int = 0
    windows: int = 0
    fetched: int = 0
    inserted: int = 0
    revised: int = 0
    unchanged: int = 0
    rejected: int = 0
    requests: int = 0
    idle: bool = False
    failures: list[Failure] = field(default_factory=list)


class LoadRun:
    """A triggered run; `snapshot` asks Airflow for the lanes and the database for the candles."""

    def __init__(self, api: AirflowApi, conn: psycopg.Connection, run_id: str) -> None:
        self.api = api
        self.conn = conn
        self.run_id = run_id
        self._path = f"dags/{DAG_ID}/dagRuns/{run_id}"
        self._lanes: list[Lane] | None = None
        self._told: set[Failure] = set()
        self._tries_told: set[tuple[str, int, int]] = set()

    @classmethod
    def trigger(cls, api: AirflowApi, conn: psycopg.Connection, params: dict[str, Any]) -> LoadRun:
        """Unpause the Dag and start a run with these params."""
        api.patch(f"dags/{DAG_ID}", {"is_paused": False}, update_mask=["is_paused"])
        run_id = f"{RUN_PREFIX}{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": params, "note": "started by `make run`"}
        if api.post(f"dags/{DAG_ID}/dagRuns", body) is None:
            raise LocalRunError(f"Airflow has a run {run_id} already: try again.")
        return cls(api, conn, run_id)

    def snapshot(self) -> Snapshot:
        """The run's state now; `failures` holds the windows that failed since the last snapshot."""
        found = Snapshot(state=self.api.get(self._path)["state"])
        instances = self.api.pages(f"{self._path}/taskInstances", "task_instances")
        lanes = [task for task in instances if task["task_id"] == LANE_TASK and task["map_index"] >= 0]
        states = Counter(str(task["state"]) for task in lanes)
        found.step = ", ".join(
            task["task_id"] + RUNNING_STATES[task["state"]]
            for task in instances
            if task["state"] in RUNNING_STATES and task["task_id"] != LANE_TASK
        )
        sizes = self._lane_sizes() if lanes else {}
        found.idle = found.state == "running" and not any(task["state"] in BUSY for task in instances)
        found.lanes = len(lanes)
        found.lanes_done = states["success"]
        found.lanes_failed = states["failed"] + states["upstream_failed"]
        found.lanes_waiting = states["up_for_retry"]
        found.expected = sum(sizes.values())
        counts = self._rows("load/run_counts")[0]
        for name in ("windows", "inserted", "revised", "unchanged", "rejected", "requests"):
            setattr(found, name, counts[name])
        found.fetched = found.inserted + found.revised + found.unchanged
        finished = sum(sizes.get(task["map_index"], 0) for task in lanes if task["state"] in FINISHED)
        found.accounted = min(max(finished, found.fetched), found.expected)
        found.failures = self._new_failures(instances)
        return found

    def failures(self) -> list[Failure]:
        """Why the run failed: the windows that nobody loaded, then failed tasks and the last line of their logs."""
        windows = [_window_failure(row) for row in self._rows("load/run_failures")]
        failed = self.api.pages(f"{self._path}/taskInstances", "task_instances", state=["failed"])
        tasks = [
            Failure(_task_name(task), self._reason(task))
            for task in sorted(failed, key=lambda task: (task["end_date"] or "", task["map_index"]))
            if not self._tells(task, windows)
        ]
        causes = [failure for failure in windows + tasks if failure.what != CLOSING_TASK]
        return (causes or tasks)[:MOST_FAILURES]

    def scope(self) -> dict[str, Any] | None:
        """Symbols, timeframes, start and end that the run settled on; None where it did not come so far."""
        scope = self._xcom(SCOPE_TASK)
        return scope if isinstance(scope, dict) else None

    def wait(self, seconds: float) -> None:
        """Let the run go on for a while."""
        time.sleep(seconds)

    def _new_failures(self, instances: list[dict[str, Any]]) -> list[Failure]:
        """Windows that failed, and tasks whose try failed without one, as they happen; each is told once."""
        found = [_window_failure(row) for row in self._rows("load/run_failures")]
        new = [failure for failure in found if failure not in self._told]
        self._told.update(new)
        for task in instances:
            tried = (task["task_id"], task["map_index"], task["try_number"])
            told = task["task_id"] == CLOSING_TASK or tried in self._tries_told
            if task["state"] in TROUBLED and not told and not self._tells(task, found):
                self._tries_told.add(tried)
                new.append(Failure(_task_name(task), self._reason(task)))
        return new

    def _tells(self, task: dict[str, Any], windows: list[Failure]) -> bool:
        """Whether the failed windows tell already why this task, a lane, failed; a killed one leaves no window."""
        if task["task_id"] != LANE_TASK or not 0 <= task["map_index"] < len(self._planned()):
            return False
        names = tuple(f"{plan}, " for plan in self._planned()[task["map_index"]].series)
        return any(window.what.startswith(names) for window in windows)

    def _lane_sizes(self) -> dict[int, int]:
        return {index: sum(plan.candles for plan in lane.series) for index, lane in enumerate(self._planned())}

    def _planned(self) -> list[Lane]:
        if self._lanes is None:
            self._lanes = [Lane.from_json(lane) for lane in self._xcom(PLAN_TASK) or []]
        return self._lanes

    def _xcom(self, task_id: str) -> Any:
        entry = self.api.get(f"{self._path}/taskInstances/{task_id}/xcomEntries/return_value", stringify="false")
        return entry["value"] if entry else None

    def _reason(self, task: dict[str, Any]) -> str:
        path = f"{self._path}/taskInstances/{task['task_id']}/logs/{max(task['try_number'], 1)}"
        log = self.api.get(path, map_index=task["map_index"], full_content="true") or {}
        for event in reversed(log.get("content") or []):
            for error in event.get("error_detail") or [] if isinstance(event, dict) else []:
                return f"{error.get('exc_type')}: {error.get('exc_value')}"
        return "its process ended without a word; the log in the UI may say more"

    def _rows(self, name: str) -> list[dict[str, Any]]:
        with self.conn.cursor(row_factory=dict_row) as cursor:
            cursor.execute(sql.load(name).encode(), {"dag_id": DAG_ID, "run_id": self.run_id})
            return cursor.fetchall()


def _window_failure(row: dict[str, Any]) -> Failure:
    span = f"{row['window_start']:%Y-%m-%d %H:%M} to {row['window_end']:%Y-%m-%d %H:%M}"
    return Failure(f"{row['symbol']} {row['timeframe']}, {span}", str(row["error"]))


def _lane_name(task: dict[str, Any]) -> str:
    return str(task.get("rendered_map_index") or task["map_index"])


def _task_name(task: dict[str, Any]) -> str:
    return f"{task['task_id']} {_lane_name(task)}" if task["map_index"] >= 0 else str(task["task_id"])
