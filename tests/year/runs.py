"""Runs of the real Dags in one long-lived process: scheduled runs, mapped tasks, trigger rules, retries and callbacks.

It is what `dag.test()` does (3.3.2), with these differences: the bundle is parsed and written to the metadata database
once and not for each run; a run has the type and data interval that its Dag's timetable gives, as the scheduler makes
it; and a wait between two tries is handed to the caller, who moves the simulated clock instead of sleeping.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.core_api.datamodels.dag_run import DAGRunResponse
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.dagrun import DagRun
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.api.datamodels._generated import TaskInstance
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, run_task_in_process
from airflow.sdk.timezone import coerce_datetime
from airflow.serialization.serialized_objects import DagSerialization
from airflow.settings import Session
from airflow.timetables.base import TimeRestriction
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from include.klines.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Param
    from airflow.timetables.base import DagRunInfo


@dataclass(frozen=True)
class Parsed:
    """A Dag as its file has it, and as the scheduler sees it."""

    dag: Any
    scheduler: Any
    allowance: timedelta | None
    report_late: Any
    params: tuple[tuple[Param, Any], ...]

    @classmethod
    def of(cls, dag: Any) -> Parsed:
        (alert,) = dag.deadline or [None]
        dag.deadline = None  # its rows are the scheduler's, which does not run here: the caller watches the allowance
        scheduler = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        scheduler.on_success_callback, scheduler.on_failure_callback = dag.on_success_callback, dag.on_failure_callback
        forms = [dag.params, *(task.params for task in dag.tasks)]
        params = tuple((form.get_param(name), form[name]) for form in forms for name in form)
        return cls(dag, scheduler, alert.interval if alert else None, alert.callback if alert else None, params)

    def forget_params(self) -> None:
        """Whatever a run was given: a task's own process ends with it, this one goes on."""
        for param, value in self.params:
            param.value = value


@dataclass
class Run:
    """One Dag run: `state` is that of Airflow, `tries` how often a task was tried in it."""

    dag_id: str
    id: int
    due: datetime
    state: str = "running"
    tries: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    """The last error of each task that failed."""


class Dags:
    """The bundle's Dags, parsed once."""

    def __init__(self) -> None:
        manager = DagBundlesManager()
        self.session = Session()
        manager.sync_bundles_to_db(session=self.session)
        self.session.commit()
        bag = BundleDagBag(dag_folder=ROOT, bundle_path=ROOT, bundle_name="klines")
        if bag.import_errors:
            raise RuntimeError(f"the bundle does not load: {bag.import_errors}")
        self._parsed = {dag_id: Parsed.of(dag) for dag_id, dag in bag.dags.items()}
        sync_bag_to_db(bag, "klines", None)
        self._client = InProcessTestSupervisor._api_client(next(iter(bag.dags.values())))

    def due(self, dag_id: str, start: datetime, end: datetime) -> Iterator[DagRunInfo]:
        """The scheduled runs of a Dag that fall due after `start` and before `end`, by its own timetable."""
        timetable = self._parsed[dag_id].scheduler.timetable
        always = TimeRestriction(None, None, catchup=True)
        before = timetable.infer_manual_data_interval(run_after=coerce_datetime(start))
        while True:
            info = timetable.next_dagrun_info(last_automated_data_interval=before, restriction=always)
            if info.run_after >= end:
                return
            yield info
            before = info.data_interval

    def begin(self, dag_id: str, clock: datetime, info: DagRunInfo | None = None, **conf: Any) -> Run:
        """Make a run: a scheduled one with the interval of `info`, else one by hand at `clock`."""
        parsed = self._parsed[dag_id]
        kind = DagRunType.SCHEDULED if info else DagRunType.MANUAL
        logical, due = (info.logical_date, info.run_after) if info else (clock, clock)
        by_hand = parsed.scheduler.timetable.infer_manual_data_interval(run_after=coerce_datetime(clock))
        model = parsed.scheduler.create_dagrun(
            run_id=DagRun.generate_run_id(run_type=kind, logical_date=logical, run_after=due),
            logical_date=logical,
            data_interval=info.data_interval if info else by_hand,
            run_after=due,
            conf=conf or None,
            run_type=kind,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            start_date=clock,
            session=self.session,
        )
        model.queued_at = clock
        self.session.commit()
        return Run(dag_id, model.id, due)

    def allowance(self, dag_id: str) -> timedelta | None:
        """How long after it was queued a run has to be done, where its Dag promises that."""
        return self._parsed[dag_id].allowance

    def report_late(self, run: Run) -> None:
        """What the triggerer does when a run has passed its deadline: the Dag's own callback, with the run as JSON."""
        callback = self._parsed[run.dag_id].report_late
        context = {"dag_run": DAGRunResponse.model_validate(self._model(run)).model_dump(mode="json")}
        asyncio.run(import_string(callback.path)(context=context, **callback.kwargs))

    def clear(self, run: Run, clock: datetime) -> None:
        """Clear the tasks that failed, as the UI and `airflow tasks clear` do."""
        scheduler = self._parsed[run.dag_id].scheduler
        scheduler.clear(run_id=self._model(run).run_id, only_failed=True, session=self.session)
        self.session.commit()
        model = self._model(run)
        model.state, model.queued_at, run.state = DagRunState.RUNNING, clock, "running"
        self.session.commit()

    def _model(self, run: Run) -> DagRun:
        self.session.expire_all()
        model: DagRun = self.session.get_one(DagRun, run.id)
        model.dag = self._parsed[run.dag_id].scheduler
        return model

    def work(self, run: Run) -> timedelta | None:
        """Run every task that can run; None when the run has ended, else how long until one is tried again."""
        session, parsed = self.session, self._parsed[run.dag_id]
        before: dict[Any, str] = {}
        while (model := self._model(run)).state == DagRunState.RUNNING:
            ready, _ = model.update_state(session=session)
            for each in ready:
                each.try_number += 1
                each.state = TaskInstanceState.SCHEDULED
                each.scheduled_dttm = datetime.now(UTC)
            session.commit()
            found = list(model.get_task_instances(session=session))
            ready = [each for each in found if each.state == TaskInstanceState.SCHEDULED]
            for each in ready:
                run.tries += 1
                self._run(run, each, parsed)
            states = {each.id: str(each.state) for each in found}
            if model.state == DagRunState.RUNNING and not ready and states == before:
                return self._wait(run, found)
            before = states  # where none is ready but some were skipped, the scheduler looks again
        session.commit()
        run.state = str(model.state)
        return None

    def _run(self, run: Run, instance: Any, parsed: Parsed) -> None:
        """One try of one task, in this process, through the Task SDK and the execution API."""
        instance.set_state(TaskInstanceState.QUEUED)
        names = ("id", "task_id", "dag_id", "run_id", "try_number", "map_index", "dag_version_id")
        told = TaskInstance(**{name: getattr(instance, name) for name in names})
        done = run_task_in_process(ti=told, task=parsed.dag.task_dict[instance.task_id], client=self._client)
        parsed.forget_params()
        instance.set_state(done.ti.state)
        if done.error is not None:
            run.errors[f"{instance.task_id} {instance.map_index}"] = f"{type(done.error).__name__}: {done.error}"

    def _wait(self, run: Run, found: list[Any]) -> timedelta:
        """Until the next try of a task, as Airflow reckons it; the tries before move into the past by that much."""
        waiting = [each for each in found if each.state == TaskInstanceState.UP_FOR_RETRY]
        if not waiting:
            states = {f"{each.task_id} {each.map_index}": str(each.state) for each in found}
            raise RuntimeError(f"{run.dag_id}, due {run.due}, does not go on: {states}")
        task_dict = self._parsed[run.dag_id].scheduler.task_dict
        for each in waiting:
            each.task = task_dict[each.task_id]
        wait = min(each.next_retry_datetime() - each.end_date for each in waiting)
        shift = min(each.next_retry_datetime() for each in waiting) - datetime.now(UTC)
        for each in waiting:
            each.end_date -= max(shift, timedelta())
        self.session.commit()
        return wait
