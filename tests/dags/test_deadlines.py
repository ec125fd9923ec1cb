"""When a person is told that a run is late or failed: every Dag's promise, and what raises no alarm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun
from airflow.sdk import AsyncCallback, DeadlineReference
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType

from include.klines.health import alerts, deadlines
from tests.dags.bundle import dags, parse

if TYPE_CHECKING:
    from include.klines.health.alerts import Alert

ALLOWED = {
    "klines_daily_increment": timedelta(hours=2),
    "klines_health": timedelta(minutes=30),
    "klines_monthly_consolidation": timedelta(hours=12),
    "klines_monthly_prune": timedelta(hours=12),
    "klines_weekly_gap_fill": timedelta(hours=6),
}
DUE = datetime(2026, 1, 10, 2, tzinfo=UTC)
DAY = timedelta(days=1)
LATE = "late run of klines_daily_increment"


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch, market_dsn: str) -> list[Alert]:
    """What was sent; market_db is the test's database."""
    sent: list[Alert] = []
    monkeypatch.setattr(alerts, "send", lambda alert: sent.append(alert) or ("here",))
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    return sent


def late_run(*, run_type: str = "scheduled", due: datetime = DUE, queued: datetime = DUE) -> dict[str, Any]:
    """A run as a deadline's callback gets it: the JSON of Airflow's REST API."""
    run = {
        "dag_id": "klines_daily_increment",
        "dag_run_id": f"{run_type}__{due.isoformat()}",
        "run_type": run_type,
        "queued_at": queued.isoformat(),
        "data_interval_end": due.isoformat().replace("+00:00", "Z"),
    }
    return {"dag_run": run}


def test_every_scheduled_dag_has_its_deadline_and_no_other() -> None:
    scheduled = {dag.dag_id: dag.deadline for dag in dags() if dag.schedule is not None}
    assert {dag_id: alert[0].interval for dag_id, alert in scheduled.items()} == {
        dag_id: ALLOWED[dag_id] for dag_id in scheduled
    }
    for (alert,) in scheduled.values():
        assert alert.reference == DeadlineReference.DAGRUN_QUEUED_AT
        assert alert.callback.path == "include.klines.health.deadlines.report_late"
        assert isinstance(alert.callback, AsyncCallback), "on the executor it may not read connections"
        assert timedelta(minutes=alert.callback.kwargs["minutes"]) == alert.interval
    assert [dag.dag_id for dag in dags() if dag.schedule is None and dag.deadline] == []


def test_every_dag_but_health_tells_when_a_run_fails() -> None:
    told = {dag.dag_id for dag in dags() if dag.on_failure_callback is alerts.run_failed}
    assert told == set(parse().dags) - {"klines_health"}, "health says itself what is broken"


def ended(run_type: str = "scheduled", until: datetime = DUE, dag_id: str = "klines_daily_increment") -> dict[str, Any]:
    """What a Dag callback gets of a run that ended well, as Airflow hands it over."""
    run = DagRun(
        dag_id=dag_id,
        run_id=f"{run_type}__{until.isoformat()}",
        run_type=DagRunType(run_type),
        logical_date=until - DAY,
        data_interval_start=until - DAY,
        data_interval_end=until,
        run_after=until,
        start_date=until,
        end_date=until,
        state=DagRunState.SUCCESS,
        consumed_asset_events=[],
        partition_key=None,
    )
    return {"dag": parse().dags[dag_id], "dag_run": run}


def late_and_open(market_dsn: str) -> list[tuple[str, bool]]:
    with psycopg.connect(market_dsn) as conn:
        return conn.execute("SELECT what, cleared_at IS NULL FROM sla_miss ORDER BY id").fetchall()


def test_a_late_run_is_told_once_and_clears_when_it_ends_well(outbox: list[Alert], market_dsn: str) -> None:
    deadlines.tell_late(late_run(), minutes=120)
    deadlines.tell_late(late_run(), minutes=120)
    (alert,) = outbox
    assert alert.subject == "klines: klines_daily_increment is late"
    assert "due 2026-01-10 02:00 UTC, not done 120 minutes later" in alert.text
    assert "/dags/klines_daily_increment/runs/scheduled__2026-01-10T02%3A00%3A00%2B00%3A00" in alert.text
    deadlines.run_done(ended(dag_id="klines_weekly_gap_fill"))
    assert len(outbox) == 1
    deadlines.run_done(ended())
    deadlines.run_done(ended())
    assert [alert.good for alert in outbox] == [False, True]
    assert late_and_open(market_dsn) == [(LATE, False)]


@pytest.mark.parametrize(
    "other",
    [ended("manual", DUE + DAY), ended("scheduled", DUE - DAY), ended("backfill", DUE - DAY), {"run_id": "unknown"}],
    ids=["by hand", "an older one of a catchup", "a backfill of the day before", "one that Airflow knows no more"],
)
def test_another_run_does_not_stand_in_for_a_late_one(
    outbox: list[Alert], market_dsn: str, other: dict[str, Any]
) -> None:
    deadlines.tell_late(late_run(), minutes=120)
    deadlines.run_done({"dag": parse().dags["klines_daily_increment"]} | other)
    assert [alert.good for alert in outbox] == [False]
    assert late_and_open(market_dsn) == [(LATE, True)]


@pytest.mark.parametrize("run", [ended("scheduled", DUE + DAY), ended("backfill", DUE)], ids=["the next", "a backfill"])
def test_a_late_run_that_was_deleted_clears_with_the_next_one_or_a_backfill_of_its_day(
    outbox: list[Alert], market_dsn: str, run: dict[str, Any]
) -> None:
    deadlines.tell_late(late_run(), minutes=120)
    deadlines.run_done(run)
    assert [alert.good for alert in outbox] == [False, True]
    assert late_and_open(market_dsn) == [(LATE, False)]


@pytest.mark.parametrize("order", [(DUE, DUE + DAY), (DUE + DAY, DUE)], ids=["in order", "the later one first"])
def test_of_two_late_runs_the_later_one_has_to_end(
    outbox: list[Alert], market_dsn: str, order: tuple[datetime, datetime]
) -> None:
    for due in order:
        deadlines.tell_late(late_run(due=due, queued=due), minutes=120)
    deadlines.run_done(ended(until=DUE))
    assert late_and_open(market_dsn) == [(LATE, True)]
    deadlines.run_done(ended(until=DUE + DAY))
    assert late_and_open(market_dsn) == [(LATE, False)]


def test_health_that_found_something_is_done_and_not_late(outbox: list[Alert]) -> None:
    (alert,) = parse().dags["klines_health"].deadline
    for state in ("failed", "running"):
        run = late_run() | {"deadline": {}}
        run["dag_run"] |= {"dag_id": "klines_health", "state": state}
        deadlines.tell_late(run, **alert.callback.kwargs)
    assert [alert.subject for alert in outbox] == ["klines: klines_health is late"]
    daily = late_run()
    daily["dag_run"]["state"] = "failed"
    deadlines.tell_late(daily, minutes=120)
    assert outbox[1].subject == "klines: klines_daily_increment is late", "a load that failed is not done"


def test_a_catchup_or_a_backfill_of_sixty_days_raises_no_alarm(outbox: list[Alert]) -> None:
    days = [DUE - timedelta(days=day) for day in range(60)]
    unpaused = DUE + timedelta(hours=9)
    for day in days:
        deadlines.tell_late(late_run(due=day, queued=unpaused), minutes=120)
        deadlines.tell_late(late_run(run_type="backfill", due=day, queued=unpaused), minutes=120)
        deadlines.tell_late(late_run(run_type="manual", due=day, queued=day), minutes=120)
    assert outbox == []


def test_a_late_run_is_told_while_the_market_database_is_down(
    outbox: list[Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", "postgresql://nobody:x@127.0.0.1:9/none")
    deadlines.tell_late(late_run(), minutes=120)
    assert [alert.subject for alert in outbox] == ["klines: klines_daily_increment is late"]


def test_a_failed_run_is_told_with_the_link_to_the_log(outbox: list[Alert]) -> None:
    class Instance:
        task_id = "load_lane"
        log_url = "http://127.0.0.1:8080/dags/d/runs/r/tasks/load_lane/mapped/3?try_number=4"

    class Run:
        run_id = "manual__1"

    dag = parse().dags["klines_initial_load"]
    alerts.run_failed({"dag": dag, "dag_run": Run(), "ti": Instance(), "reason": "task_failure"})
    alerts.run_failed({"dag": dag, "run_id": "manual__2", "reason": "task_failure"})
    first, second = outbox
    assert first.subject == "klines: a run of klines_initial_load failed"
    assert f"load_lane. Log: {Instance.log_url}" in first.text
    assert "/dags/klines_initial_load/runs/manual__2" in second.text
