"""The runs and deadlines of this project's scheduled Dags, from Airflow's own database."""

from __future__ import annotations

from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline
from airflow.utils.session import create_session
from sqlalchemy import func, select

OURS = r"klines\_%"
MOST_DEADLINES = 50


def runs_and_deadlines() -> dict[str, Any]:
    """`runs`: each of our Dags with its last run and its next; `deadlines`: open and missed ones, the latest first."""
    with create_session() as session:
        newest = (
            select(DagRun.dag_id, func.max(DagRun.run_after).label("run_after"))
            .where(DagRun.dag_id.like(OURS, escape="\\"))
            .group_by(DagRun.dag_id)
            .subquery()
        )
        last = {
            run.dag_id: run
            for run in session.scalars(
                select(DagRun)
                .join(newest, (DagRun.dag_id == newest.c.dag_id) & (DagRun.run_after == newest.c.run_after))
                .order_by(DagRun.id)
            )
        }
        missed = dict(
            session.execute(
                select(DagRun.dag_id, func.count())
                .join(Deadline, Deadline.dagrun_id == DagRun.id)
                .where(Deadline.missed, DagRun.dag_id.like(OURS, escape="\\"))
                .group_by(DagRun.dag_id)
            ).all()
        )
        dags = session.scalars(
            select(DagModel)
            .where(DagModel.dag_id.like(OURS, escape="\\"), ~DagModel.is_stale)
            .order_by(DagModel.dag_id)
        )
        deadlines = session.execute(
            select(DagRun.dag_id, DagRun.run_id, Deadline.deadline_time, Deadline.missed)
            .join(Deadline, Deadline.dagrun_id == DagRun.id)
            .where(DagRun.dag_id.like(OURS, escape="\\"))
            .order_by(Deadline.deadline_time.desc())
            .limit(MOST_DEADLINES)
        )
        return {
            "runs": [_dag(dag, last.get(dag.dag_id), missed.get(dag.dag_id, 0)) for dag in dags],
            "deadlines": [
                {"dag_id": dag_id, "run_id": run_id, "deadline_at": at, "missed": is_missed}
                for dag_id, run_id, at, is_missed in deadlines
            ],
        }


def as_rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs as a flat table."""
    return [{**run, **(run["last_run"] or {})} for run in runs]


def _dag(dag: Any, run: Any, missed: int) -> dict[str, Any]:
    return {
        "dag_id": dag.dag_id,
        "schedule": dag.timetable_summary,
        "last_run": None
        if run is None
        else {"run_id": run.run_id, "state": str(run.state), "start": run.start_date, "end": run.end_date},
        "next_run": dag.next_dagrun_create_after,
        "is_paused": dag.is_paused,
        "deadlines_missed": missed,
    }
