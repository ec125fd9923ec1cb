"""One event after the other in the order of time: what the calendar has, and the runs as they fall due."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.year import calendar
from tests.year.calendar import DAILY, HEALTH, MONTHLY, PRUNE, WEEKLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.timetables.base import DagRunInfo

    from tests.year.calendar import Deed, Period, Trouble
    from tests.year.runs import Dags, Run
    from tests.year.world import World

HAPPENS, DEADLINE, AGAIN, DUE = range(4)
"""What comes first of what falls on the same moment."""


@dataclass
class Timeline:
    """The engine. `show` is told what happens, by moment."""

    world: World
    dags: Dags
    period: Period
    show: Callable[[datetime, str], None]
    runs: list[Run] = field(default_factory=list)
    by_hand: Counter[str] = field(default_factory=Counter)
    _events: list[tuple[datetime, int, int, Callable[[], None]]] = field(default_factory=list)
    _order: Any = field(default_factory=count)
    _missed: dict[str, list[DagRunInfo]] = field(default_factory=dict)

    def play(self) -> Iterator[datetime]:
        """The initial load, then everything up to the end of the period; yields the time after each event."""
        load = {"start": self.period.load_start, "end": self.period.load_end}
        self.trigger("klines_initial_load", **load)
        self._plan()
        while self._events and self._events[0][0] < self.period.end:
            moment, _, _, act = heapq.heappop(self._events)
            self.world.move_to(moment)
            act()
            self.world.collect()
            yield self.world.now
        self.world.move_to(self.period.end)
        self.trigger("klines_quality_check", start=self.period.load_start, end=f"{self.period.last_day}")

    def ended(self, state: str) -> Counter[str]:
        """How many runs of each Dag ended like that."""
        return Counter(run.dag_id for run in self.runs if run.state == state)

    def promised(self, dag_id: str) -> int:
        """How many runs of a Dag there should be."""
        return self.period.runs.get(dag_id, 0) + self.by_hand[dag_id]

    def trigger(self, dag_id: str, **conf: Any) -> None:
        """A run by hand, to its end."""
        self.by_hand[dag_id] += 1
        self._begin(dag_id, None, conf)

    def _plan(self) -> None:
        begin, end = self.period.begin, self.period.end
        for dag_id in (DAILY, WEEKLY, PRUNE, MONTHLY):
            for info in self.dags.due(dag_id, begin, end):
                self._at(info.run_after, DUE, self._begin, dag_id, info, {})
        mornings = (begin.replace(hour=calendar.HEALTH_HOUR, minute=0) + timedelta(days=day) for day in range(367))
        for moment in sorted({*mornings, *calendar.HEALTH_TOO}):
            if begin < moment < end:
                (info,) = self.dags.due(HEALTH, moment - timedelta(minutes=30), moment + timedelta(minutes=30))
                self._at(info.run_after, DUE, self._begin, HEALTH, info, {})
        for trouble in calendar.TROUBLES:
            if trouble.at < end and trouble.until > begin:
                self._at(trouble.at, HAPPENS, self._trouble, trouble)
        for deed in calendar.DEEDS:
            if begin <= deed.at < end:
                self._at(deed.at, HAPPENS, self._deed, deed)
        for fact in calendar.MARKET:
            if begin <= fact.at < end:
                self._at(fact.at, HAPPENS, self.show, fact.at, fact.what)

    def _at(self, moment: datetime, kind: int, act: Callable[..., None], *with_: Any) -> None:
        heapq.heappush(self._events, (moment, kind, next(self._order), lambda: act(*with_)))

    def _begin(self, dag_id: str, info: DagRunInfo | None, conf: dict[str, Any]) -> None:
        if info is not None and dag_id in self._missed:
            self._missed[dag_id].append(info)
            return
        run = self.dags.begin(dag_id, self.world.now, info, **conf)
        self.runs.append(run)
        allowance = self.dags.allowance(dag_id)
        if allowance is not None:
            self._at(self.world.now + allowance, DEADLINE, self._deadline, run)
        self._work(run)

    def _work(self, run: Run) -> None:
        wait = self.dags.work(run)
        if wait is not None:
            self._at(self.world.now + wait, AGAIN, self._work, run)
        elif run.state != "success" and run.dag_id != HEALTH:
            reasons = "\n".join(f"    {task}: {error[:400]}" for task, error in run.errors.items())
            self.show(self.world.now, f"{run.dag_id} {run.state}\n{reasons}")

    def _deadline(self, run: Run) -> None:
        if run.state != "success":
            self.dags.report_late(run)

    def _trouble(self, trouble: Trouble) -> None:
        number = self.world.exchange.fault(**trouble.fault)
        self.show(trouble.at, trouble.what)
        self._at(trouble.until, HAPPENS, self.world.exchange.clear_faults, number)

    def _deed(self, deed: Deed) -> None:
        self.show(deed.at, deed.what)
        getattr(self, deed.do)(**deed.how)

    def delete(self, symbol: str, timeframe: str, start: str, end: str) -> None:
        """Somebody deletes candles with psql."""
        done = self.world.market.execute(
            "DELETE FROM market_data WHERE symbol = %s AND timeframe = %s AND timestamp >= %s AND timestamp < %s",
            (symbol, timeframe, calendar.at(start), calendar.at(end)),
        )
        self.world.deleted += done.rowcount

    def pause(self, dag_id: str) -> None:
        """No run is made from here on."""
        self._missed[dag_id] = []

    def unpause(self, dag_id: str) -> None:
        """The scheduler makes the runs that were missed, oldest first (of a Dag with catchup)."""
        for info in self._missed.pop(dag_id):
            self._begin(dag_id, info, {})

    def clear(self, dag_id: str) -> None:
        """The red tasks of the last run are cleared, and it goes on."""
        run = [run for run in self.runs if run.dag_id == dag_id][-1]
        self.dags.clear(run, self.world.now)
        self._work(run)
