"""The bodies of klines_health's tasks: Airflow in, JSON out. What they do is in include.klines.health.checks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg
from airflow.sdk.exceptions import AirflowFailException

from include.klines.database import market_connection
from include.klines.errors import BrokenPromise
from include.klines.health import alerts, checks, late_runs
from include.klines.spans import clock_of
from include.klines.summing_up import leave_note

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

log = logging.getLogger(__name__)

CHECKED = "checked"
SHOWN = 50
"""So many broken promises stand in the note."""
NOTHING_YET = "Healthy: nothing is stored yet, so nothing is promised. klines_initial_load begins."


def check_health(kind: str, context: Any) -> dict[str, Any]:
    """Run one check, write and send what it found; a broken promise fails the task at once: a retry changes nothing."""
    clock = clock_of(context["dag_run"])
    with market_connection() as conn:
        verdict = checks.check(conn, kind, clock)
        context["ti"].xcom_push(key=CHECKED, value=kind)
        channels = checks.report(conn, verdict, clock)
    if channels:
        log.info("told by %s", ", ".join(channels))
    if verdict.findings:
        raise AirflowFailException(verdict.text)
    return {"check": kind, "findings": 0}


def publish_health(context: Any, send_figures: Callable[[psycopg.Connection, datetime], object]) -> dict[str, Any]:
    """The run's note; BrokenPromise where one is broken or a check did not end, of which a person is told here.

    send_figures: hands what machines watch to who listens, as of the run's time.
    """
    checked = {kind for kind in context["ti"].xcom_pull(task_ids=["check_health"], key=CHECKED) if kind}
    lost = [kind for kind in checks.KINDS if kind not in checked]
    clock = clock_of(context["dag_run"])
    verdict = _checks_verdict(context, lost)
    try:
        with market_connection() as conn:
            checks.settle(conn, verdict, clock)
            run, dag_id = context["dag_run"], context["dag"].dag_id
            late_runs.ended_well(conn, dag_id, run, clock)  # not by its callback: what is late would keep it red
            misses, empty = checks.open_misses(conn), checks.is_empty(conn)
            leave_note(context, _note(misses, empty=empty))
            send_figures(conn, clock)
            checks.tell(conn, verdict, clock)
            late_runs.tell(conn, clock)
    except psycopg.OperationalError as error:
        alerts.send(alerts.Alert("klines: the market database does not answer", f"{error}\n{_link(context)}"))
        raise
    if misses:
        names = ", ".join(dict.fromkeys(miss["what"] for miss in misses))
        raise BrokenPromise(f"{len(misses):,} promises are broken ({names}): the run's note and sla_miss have each.")
    return {"broken": 0, "empty": empty}


def _note(misses: list[dict[str, Any]], *, empty: bool) -> str:
    lines = [f"**{len(misses):,} promises are broken:**"] if misses else [NOTHING_YET if empty else "**Healthy.**"]
    lines += [f"- {_name(miss)}: {miss['detail']}" for miss in misses[:SHOWN]]
    lines += [f"- and {len(misses) - SHOWN:,} more, in sla_miss"] if len(misses) > SHOWN else []
    return "\n".join(lines)


def _checks_verdict(context: Any, lost: list[str]) -> checks.Verdict:
    if not lost:
        return checks.Verdict("health_checks")
    cause = "these checks failed before they knew"
    finding = checks.Finding(None, None, ", ".join(lost), cause)
    mend = f"the log of the red tasks says why: {_link(context)}"
    return checks.Verdict("health_checks", "some promises could not be checked", (finding,), mend)


def _name(miss: dict[str, Any]) -> str:
    return " ".join(filter(None, (miss["what"], miss["symbol"], miss["timeframe"])))


def _link(context: Any) -> str:
    return alerts.run_link(context["dag"].dag_id, context["dag_run"].run_id)
