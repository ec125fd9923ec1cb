"""When each scheduled Dag has to be done: the one place for Deadline Alerts.

A deadline counts from when the run was queued, which for a run that begins on time is when it was due. A run that was
queued later than its whole allowance belongs to a catchup, one of a backfill or made by hand has no due time: nobody is
told of these. A run that failed is not done; only klines_health is, which fails when it has found something. Whether
the data are late is another question, which klines_health answers whatever the scheduler does.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (  # type: ignore[attr-defined]  # its stub does not list them
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
)

from include.klines.database import clock_of_database, market_connection
from include.klines.health import alerts, checks

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)


async def report_late(context: Any, minutes: int, red_is_done: bool = False) -> None:
    """Deadline callback: tell about a scheduled run that is not done `minutes` after it was due.

    red_is_done: a run that has failed is done. Airflow forgets the deadlines of runs that ended well only.
    It runs in the triggerer, in a thread of its own: on the executor a callback may not read connections (3.3.2).
    """
    from asgiref.sync import sync_to_async

    await sync_to_async(tell_late)(context, minutes, red_is_done)


def tell_late(context: Any, minutes: int, red_is_done: bool = False) -> None:
    """What `report_late` does."""
    run = context["dag_run"]
    if not was_due(run, timedelta(minutes=minutes)):
        log.info("%s of %s was not due at a time: no alarm", run["dag_run_id"], run["dag_id"])
        return
    if red_is_done and run["state"] == "failed":
        log.info("%s of %s is done: it says itself what is broken", run["dag_run_id"], run["dag_id"])
        return
    dag_id, due = run["dag_id"], _moment(run["data_interval_end"])
    verdict = checks.Verdict(
        _what(dag_id),
        f"{dag_id} is late",
        (checks.Finding(None, None, f"due {due:%Y-%m-%d %H:%M} UTC, not done {minutes} minutes later", "late run"),),
        f"look at the run, {alerts.run_link(dag_id, run['dag_run_id'])}: clear what is red, or wait for what runs.",
    )
    import psycopg

    try:
        with market_connection() as conn:
            checks.report(conn, verdict, clock_of_database(conn))
    except psycopg.OperationalError:
        log.exception("sla_miss cannot be written, which may be why the run is late")
        alerts.send(verdict.alert())


def run_done(context: Any) -> None:
    """Dag callback of a run that ended well: if a run of this Dag was late, that has cleared."""
    with market_connection() as conn:
        no_longer_late(conn, context["dag"].dag_id)


def no_longer_late(conn: psycopg.Connection, dag_id: str) -> None:
    """Clear that a run of this Dag was late, and tell it where that was told."""
    checks.report(conn, checks.Verdict(_what(dag_id)), clock_of_database(conn))


def was_due(run: Any, allowance: timedelta) -> bool:
    """Whether a run (as in the REST API) had a due time: scheduled, and queued while it could still be on time."""
    if run["run_type"] != "scheduled" or not run["data_interval_end"] or not run["queued_at"]:
        return False
    return _moment(run["queued_at"]) <= _moment(run["data_interval_end"]) + allowance


def _what(dag_id: str) -> str:
    return f"late run of {dag_id}"


def _moment(value: Any) -> datetime:
    """A time of a run, which comes as ISO text (or as a datetime)."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _alert(name: str, allowance: timedelta, **more: Any) -> DeadlineAlert:
    return DeadlineAlert(
        name=f"{name}: done {allowance} after it was due",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=allowance,
        callback=AsyncCallback(report_late, kwargs={"minutes": allowance // timedelta(minutes=1), **more}),
    )


HEALTH = _alert("health", timedelta(minutes=30), red_is_done=True)
DAILY = _alert("daily", timedelta(hours=2))
WEEKLY = _alert("weekly", timedelta(hours=6))
MONTHLY = _alert("monthly", timedelta(hours=12))
