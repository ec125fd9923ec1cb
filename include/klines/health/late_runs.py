"""Runs that were not done in time, as sla_miss has them: one open row a Dag, about the latest run of it that is late.

The detail of the row begins with when that run was due. It clears when that run, or a later one, has ended well.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.klines.health import checks
from include.klines.health.checks import Finding, Verdict

if TYPE_CHECKING:
    import psycopg

LATE_RUN = "late run of "
CAUSE = "late run"
DUE = "due %Y-%m-%d %H:%M UTC"
NO_STAND_IN = {"manual", "operator_triggered"}
"""Such a run has parameters of its own; a backfill of a day does what the run of that day would have done."""


def verdict(dag_id: str, due: datetime, minutes: int, link: str) -> Verdict:
    """A run of this Dag that is not done `minutes` after it was due."""
    measure = f"{due.astimezone(UTC):{DUE}}, not done {minutes} minutes later"
    mend = f"look at the run, {link}: clear what is red, or wait for what runs."
    return Verdict(LATE_RUN + dag_id, f"{dag_id} is late", (Finding(None, None, measure, CAUSE),), mend)


def settle(conn: psycopg.Connection, late: Verdict, clock: datetime) -> None:
    """Write down that a run is late, unless a later one of its Dag is."""
    known = _open(conn, late.what)
    if known is None or _due(known) <= _due(late):
        checks.settle(conn, late, clock)


def ended_well(conn: psycopg.Connection, dag_id: str, run: Any, clock: datetime) -> None:
    """Clear that this run of the Dag, or one before it, was late."""
    late = _open(conn, LATE_RUN + dag_id)
    if late is None or run.run_type in NO_STAND_IN or not run.data_interval_end:
        return
    if _due(late) <= run.data_interval_end:
        checks.settle(conn, Verdict(late.what), clock)


def tell(conn: psycopg.Connection, clock: datetime) -> None:
    """Tell what is due of all late runs: what nobody took so far, and once a day what lasts. Raises as checks.tell."""
    for row in checks.late_runs(conn, LATE_RUN):
        checks.tell(conn, _verdict(row) if row["is_open"] else Verdict(row["what"]), clock)


def _open(conn: psycopg.Connection, what: str) -> Verdict | None:
    rows = checks.late_runs(conn, what)
    return next((_verdict(row) for row in rows if row["is_open"] and row["what"] == what), None)


def _verdict(row: dict[str, Any]) -> Verdict:
    """What was found, from its row."""
    measure, _, mend = row["detail"].partition(f" ({CAUSE}). {checks.MEND}")
    what = row["what"]
    return Verdict(what, f"{what.removeprefix(LATE_RUN)} is late", (Finding(None, None, measure, CAUSE),), mend)


def _due(late: Verdict) -> datetime:
    """When the run was due, to the minute."""
    return datetime.strptime(late.findings[0].measure.partition(",")[0], DUE).replace(tzinfo=UTC)
