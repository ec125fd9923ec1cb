"""What only a running Airflow shows: deadlines that fire, callbacks that reach a person, catchup and backfill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.local.runtime import Runtime
from tests.e2e.scheduler import RunningAirflow, running_airflow
from tests.exchange import Exchange
from tests.honesty import assert_no_lie
from tests.polling import wait_until
from tests.receivers import chat_connection, mail_connection, open_chat, open_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.receivers import Chat, Mailbox

DAILY = "klines_daily_increment"
LATE = f"late run of {DAILY}"
MONTHS = ("2025-10", "2025-12")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """A simulated exchange on the morning of the second scheduled run."""
    with Exchange(now="2025-10-03T02:05:00Z") as exchange:
        yield exchange


@pytest.fixture(scope="module")
def mailbox() -> Iterator[type[Mailbox]]:
    with open_mailbox() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def chat() -> Iterator[type[Chat]]:
    with open_chat() as chat:
        yield chat


@pytest.fixture(scope="module")
def airflow(
    postgres_server: Any, market_template: str, exchange: Exchange, mailbox: type[Mailbox], chat: type[Chat]
) -> Iterator[RunningAirflow]:
    """Airflow with a core of two pairs, a mailbox and a chat."""
    metadata = postgres_server.create(template=None)
    market = postgres_server.create(template=market_template)
    channels = {
        "smtp_default": mail_connection(mailbox.port, to="ann@example.com"),
        "apprise_default": chat_connection(chat.port),
    }
    addresses = [postgres_server.dsn(name) for name in (metadata, market)]
    with running_airflow(*addresses, exchange.url, channels=channels, core=("BTC", "ETH")) as airflow:
        yield airflow
    for name in (metadata, market):
        postgres_server.drop(name)


def test_a_late_run_is_told_and_listed_and_a_run_of_a_catchup_beside_it_is_not(
    airflow: RunningAirflow, exchange: Exchange, chat: type[Chat], mailbox: type[Mailbox]
) -> None:
    exchange.fault("hang", seconds=20, kind="klines", symbol="ETHUSDT", interval="1h")  # four tries take over a minute
    airflow.unpause(DAILY)
    wait_until(lambda: exchange.faults()[0]["hits"] >= 2, "both runs to hang", seconds=90)
    on_time, caught_up = [run["dag_run_id"] for run in airflow.runs(DAILY)]
    two_hours_pass(airflow, on_time)
    wait_until(lambda: len(callbacks(airflow)) == 2, "both deadlines' callbacks", seconds=60)
    assert callbacks(airflow) == ["success", "success"]

    (message,) = chat.messages
    assert message["title"] == f"klines: {DAILY} is late"
    assert "due 2025-10-02 02:00 UTC, not done 120 minutes later" in message["message"]
    assert f"{airflow.api.url}/dags/{DAILY}/runs/scheduled__2025-10-0" in message["message"]
    ((to, mail),) = mailbox.mails
    assert (to, mail["Subject"]) == (["ann@example.com"], message["title"])
    assert airflow.ask_market("SELECT what, cleared_at IS NULL FROM sla_miss") == [(LATE, True)]
    listed = {each["dag_run_id"]: each for each in airflow.deadlines()}
    assert set(listed) >= {on_time, caught_up}
    assert {listed[run_id]["missed"] for run_id in (on_time, caught_up)} == {True}
    assert listed[on_time]["alert_name"] == "daily: done 2:00:00 after it was due"

    exchange.clear_faults()
    assert set(airflow.wait_for(DAILY, [on_time, caught_up]).values()) == {"success"}
    airflow.unpause(DAILY, pause=True)
    wait_until(lambda: len(chat.messages) == 2, "the message that it is over")
    assert chat.messages[1]["title"] == f"klines: {LATE} is well again"
    assert len(mailbox.mails) == 2
    assert airflow.ask_market("SELECT what, cleared_at IS NULL FROM sla_miss") == [(LATE, False)]


def test_a_run_whose_task_failed_is_told_once_with_the_link_to_its_log(
    airflow: RunningAirflow, chat: type[Chat], mailbox: type[Mailbox]
) -> None:
    told, mailed = len(chat.messages), len(mailbox.mails)
    airflow.trigger("klines_initial_load", "misspelt", symbols=["BTCC"], timeframes=["1d"])
    assert airflow.wait_for("klines_initial_load", ["misspelt"]) == {"misspelt": "failed"}
    wait_until(lambda: len(mailbox.mails) > mailed and len(chat.messages) > told, "both messages about it")
    (message,) = chat.messages[told:]
    assert message["title"] == "klines: a run of klines_initial_load failed"
    link = f"{airflow.api.url}/dags/klines_initial_load/runs/misspelt"
    assert f"Log: {link}/tasks/" in message["message"]
    assert f"Run: {link}\n" in message["message"]
    assert [mail["Subject"] for _, mail in mailbox.mails[mailed:]] == [message["title"]]


def test_a_backfill_and_a_catchup_go_oldest_first_take_months_from_the_archive_and_tell_nobody(
    airflow: RunningAirflow, exchange: Exchange, chat: type[Chat]
) -> None:
    told, called = len(chat.messages), len(callbacks(airflow))
    exchange.set_clock("2026-01-20T10:00:00Z")
    exchange.forget_requests()
    days = ["--from-date", "2025-12-10", "--to-date", "2025-12-13"]
    airflow.cli("backfill", "create", "--dag-id", DAILY, *days, "--max-active-runs", "1")
    backfill = [run["dag_run_id"] for run in airflow.runs(DAILY) if run["run_type"] == "backfill"]
    assert len(backfill) == 3
    airflow.ask_metadata("UPDATE deadline SET deadline_time = now() WHERE NOT missed")
    airflow.unpause(DAILY)
    assert set(airflow.wait_for(DAILY, backfill).values()) == {"success"}
    wait_until(lambda: len(ended(airflow, "scheduled")) >= 6, "four more days to be caught up with", seconds=120)
    airflow.unpause(DAILY, pause=True)

    caught_up = ended(airflow, "scheduled")
    assert {run["state"] for run in caught_up} == {"success"}
    assert caught_up == sorted(caught_up, key=lambda run: run["start_date"]), "oldest first"
    assert all(at_once(run, caught_up) <= 2 for run in caught_up)
    wait_until(lambda: len(callbacks(airflow)) > called, "a deadline's callback")
    assert set(callbacks(airflow)) == {"success"}
    assert len(chat.messages) == told

    files = [exchange.count(kind="archive", status=200, symbol="BTCUSDT", period=month) for month in MONTHS]
    assert files == [2, 2], "October and December, 1h and 1d, once"
    months = "SELECT date_trunc('month', timestamp, 'UTC')::date::text, count(*) FROM market_data"
    assert airflow.ask_market(
        f"{months} WHERE timeframe = '1h' AND timestamp >= '2025-10-01' GROUP BY 1 ORDER BY 1"
    ) == [
        ("2025-10-01", 2 * 31 * 24),
        ("2025-12-01", 2 * 31 * 24),
    ]
    with psycopg.connect(airflow.market) as conn:
        assert_no_lie(conn)


def test_changing_the_exchange_pauses_what_is_scheduled_and_says_so(airflow: RunningAirflow) -> None:
    airflow.unpause("klines_weekly_gap_fill")
    said: list[str] = []
    Runtime(airflow.processes.state, said.append).pause_scheduled(airflow.api)
    dags = {dag["dag_id"]: dag["is_paused"] for dag in airflow.api.pages("dags", "dags")}
    assert {dag_id for dag_id, paused in dags.items() if not paused} == {"klines_initial_load", "klines_quality_check"}
    assert "EXCHANGE was changed: klines_weekly_gap_fill. A day" in said[0]


def ended(airflow: RunningAirflow, run_type: str) -> list[dict[str, Any]]:
    """The runs of the daily Dag that are over, the oldest day first."""
    return [run for run in airflow.runs(DAILY) if run["run_type"] == run_type and run["end_date"]]


def at_once(run: dict[str, Any], runs: list[dict[str, Any]]) -> int:
    """How many of `runs` went on when `run` began."""
    return sum(other["start_date"] <= run["start_date"] < other["end_date"] for other in runs)


def two_hours_pass(airflow: RunningAirflow, run_id: str) -> None:
    """What Airflow's books say two hours later: `run_id` was queued when it was due, every other run just now."""
    airflow.ask_metadata(
        "UPDATE dag_run SET queued_at = data_interval_end + interval '2 s' WHERE dag_id = %s AND run_id = %s",
        DAILY,
        run_id,
    )
    airflow.ask_metadata("UPDATE deadline SET deadline_time = now() WHERE NOT missed")


def callbacks(airflow: RunningAirflow) -> list[str]:
    """The states of the deadlines' callbacks that were called."""
    ended = "SELECT state FROM callback WHERE state IN ('success', 'failed') ORDER BY created_at"
    return [state for (state,) in airflow.ask_metadata(ended)]
