"""What only a running Airflow shows: deadlines that fire, callbacks that reach a person, catchup and backfill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.scheduler import RunningAirflow, running_airflow
from tests.exchange import Exchange
from tests.polling import wait_until
from tests.receivers import chat_connection, mail_connection, open_chat, open_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.receivers import Chat, Mailbox

DAILY = "klines_daily_increment"
LATE = f"late run of {DAILY}"


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
    exchange.fault("hang", seconds=8, kind="klines", symbol="ETHUSDT", interval="1h")
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
