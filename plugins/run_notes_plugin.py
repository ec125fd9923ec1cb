"""Puts the summary that a load leaves in the XCom `note` onto its Dag run, where people look first.

A task cannot write its run's note; the scheduler can, when the run ends.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

TASK, KEY = "publish_summary", "note"
LONGEST = 1000
"""Airflow's column for a note has so many characters: a longer one would keep the run from ever ending."""
MORE = "\n… the rest is in the log of publish_summary, and in its XCom `note`."


def fitting(note: str) -> str:
    """The note, or as many of its lines as a run's note can hold."""
    if len(note) <= LONGEST:
        return note
    kept, _, _ = note[: LONGEST - len(MORE) + 1].rpartition("\n")
    return (kept or note[: LONGEST - len(MORE)]) + MORE


@hookimpl
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:
    """A run ended well: its summary becomes its note."""
    _put_note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """A run failed: its summary says what did."""
    _put_note(dag_run)


def _put_note(dag_run: Any) -> None:
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None or not dag_run.dag_id.startswith("klines_"):
        return
    found = session.execute(
        select(XComModel).where(
            XComModel.dag_id == dag_run.dag_id,
            XComModel.run_id == dag_run.run_id,
            XComModel.task_id == TASK,
            XComModel.key == KEY,
        )
    ).scalar_one_or_none()
    if found is not None:
        dag_run.note = fitting(str(XComModel.deserialize_value(found)))


class RunNotesPlugin(AirflowPlugin):
    """Registers the listener."""

    name = "run_notes"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 – the base class declares it so
