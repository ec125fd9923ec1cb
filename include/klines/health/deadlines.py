"""When each scheduled Dag has to be done: the one place for Deadline Alerts.

A deadline counts from when the run was queued, which for a run that begins on time is when it was due. A run that was
queued later than its whole allowance belongs to a catchup, one of a backfill or made by hand has no due time: nobody is
told of these. A run that failed is not done; only klines_health is, which fails when it has found something. A deadline
tells once; klines_health tells again daily, or what nobody took, until that run or a later one of its Dag ends well.
Whether the data are late is another question, which klines_health answers whatever the scheduler does.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import (  # type: ignore[attr-defined]  # its stub does not list them
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
)

from include.klines.database import clock_of_database, market_connection
from include.klines.health import alerts, late_runs

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
    link = alerts.run_link(run["dag_id"], run["dag_run_id"])
    late = late_runs.verdict(run["dag_id"], _moment(run["data_interval_end"]), minutes, link)
    import psycopg

    try:
        with market_connection() as conn:
            clock = clock_of_database(conn)
            late_runs.settle(conn, late, clock)
            late_runs.tell(conn, clock)
    except psycopg.OperationalError:
        log.exception("sla_miss cannot be written, which may be why the run is late")
        alerts.send(late.alert())


def run_done(context: Any) -> None:
    """Dag callback of a run that ended well: that it was late, or one of this Dag before it, has cleared."""
    run = context.get("dag_run")
    if run is None:  # Airflow gives none where the run's last task is no longer in the Dag
        log.warning("what %s was about is not known: it clears no late run", context.get("run_id"))
        return
    with market_connection() as conn:
        clock = clock_of_database(conn)
        late_runs.ended_well(conn, context["dag"].dag_id, run, clock)
        late_runs.tell(conn, clock)


def was_due(run: Any, allowance: timedelta) -> bool:
    """Whether a run (as in the REST API) had a due time: scheduled, and queued while it could still be on time."""
    if run["run_type"] != "scheduled" or not run["data_interval_end"] or not run["queued_at"]:
        return False
    return _moment(run["queued_at"]) <= _moment(run["data_interval_end"]) + allowance


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
