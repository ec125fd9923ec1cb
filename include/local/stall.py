"""Notices a scheduler that lives but starts nothing, and starts it anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from include.local import components

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.local.airflow_api import AirflowApi
    from include.local.load_run import Snapshot
    from include.local.processes import Processes

STALL_SECONDS = 60.0
SCHEDULER = "scheduler"


class StallWatch:
    """Called with each snapshot of a run: raises when a component has died, helps when nothing moves for a minute.

    The scheduler is only started anew while no task of any run is running, so that none is lost by it.
    """

    def __init__(
        self,
        processes: Processes,
        api: AirflowApi,
        environment: dict[str, str],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = processes
        self._api = api
        self._environment = environment
        self._say = say
        self._clock = clock
        self._idle_since: float | None = None

    def __call__(self, snapshot: Snapshot) -> None:
        """Look at the components and at the time since a task last ran."""
        self._processes.check(components.AIRFLOW)
        if not snapshot.idle:
            self._idle_since = None
            return
        now = self._clock()
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < STALL_SECONDS:
            return
        self._idle_since = None
        running = self._api.get("dags/~/dagRuns/~/taskInstances", state=["running"], limit=1) or {}
        if running.get("total_entries"):
            self._say(f"no task of this load has run for {STALL_SECONDS:.0f} s: others come first")
            return
        self._say(
            f"no task has started for {STALL_SECONDS:.0f} s: starting the scheduler anew "
            f"(its log: {self._processes.log(SCHEDULER)})"
        )
        self._processes.stop(only=SCHEDULER)
        components.start_airflow(self._processes, self._environment, (SCHEDULER,))
