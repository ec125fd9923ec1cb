"""klines_health in a real Airflow: on an empty database, when a series is late, and when that has cleared."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from include.klines.coverage import airflow_metrics
from include.klines.database import clock_of_database
from include.klines.errors import AlertError, BrokenPromise
from include.klines.health import alerts, deadlines
from include.klines.health.tasks import publish_health
from tests.receivers import chat_connection, open_chat

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.klines.health.alerts import Alert
    from tests.dags.airflow_runs import Airflow

NOWHERE = "http://127.0.0.1:9"
"""Health asks the exchange for nothing."""
CHECKS = {"completeness", "last_sync", "open_gaps", "errors", "ban"}


def test_health_turns_red_and_green_again(airflow: Airflow, market_dsn: str) -> None:
    where = {"market": market_dsn, "exchange": NOWHERE}
    empty = airflow.run("klines_health", **where, at="2026-01-10T10:00:00+00:00")
    assert empty.state == "success", empty.log[-3000:]
    assert empty.tasks == dict.fromkeys([*CHECKS, "publish_summary"], "success")
    assert empty.note.startswith("Healthy: nothing is stored yet")

    with psycopg.connect(market_dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO symbol_listing (symbol, exchange_symbol, base_asset, quote_asset, tier, status, listed_at,"
            " synced_at) VALUES ('BTC', 'BTCUSDT', 'BTC', 'USDT', 'core', 'TRADING', '2026-01-01', '2026-01-10')"
        )
        conn.execute(
            "INSERT INTO historical_data_range VALUES"
            " ('BTC', '1h', '2026-01-01', '2026-01-09', 200, TRUE, '2026-01-09 02:00+00')"
        )
        late = airflow.run("klines_health", **where, at="2026-01-11T10:00:00+00:00")
        assert late.state == "failed", late.log[-3000:]
        assert late.tasks == dict.fromkeys(CHECKS, "success") | {"last_sync": "failed", "publish_summary": "failed"}
        assert (
            "- last_sync BTC 1h: (last synced 2026-01-09 02:00 UTC). What mends it: airflow dags unpause" in late.note
        )
        (row,) = conn.execute("SELECT what, missed_at::text, cleared_at, last_sent_at = missed_at FROM sla_miss")
        assert row == ("last_sync", "2026-01-11 10:00:00+00", None, True)

        conn.execute("UPDATE historical_data_range SET last_synced = '2026-01-11 11:00+00'")
    well = airflow.run("klines_health", **where, at="2026-01-11T12:00:00+00:00")
    assert well.state == "success", well.log[-3000:]
    assert well.note == "**Healthy.**"


class TaskInstance:
    """What the closing task asks of its task instance: which checks have ended, and a place for the note."""

    def __init__(self, checked: set[str]) -> None:
        self.checked = checked
        self.note = ""

    def xcom_pull(self, **asked: Any) -> list[str]:
        return sorted(self.checked)

    def xcom_push(self, *, key: str, value: str) -> None:
        self.note = value


def summed_up(
    checked: set[str], ends: datetime = datetime(2026, 1, 10, 10, tzinfo=UTC), run_type: str = "scheduled"
) -> dict[str, Any]:
    begins = ends - timedelta(hours=1)
    run = SimpleNamespace(
        run_type=run_type,
        run_id=f"{run_type}__1",
        logical_date=ends if run_type == "manual" else begins,
        data_interval_start=begins,
        data_interval_end=ends,
        run_after=ends,
    )
    return {"dag": SimpleNamespace(dag_id="klines_health"), "dag_run": run, "ti": TaskInstance(checked)}


def test_a_check_that_could_not_be_made_is_told_once(market_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Alert] = []
    monkeypatch.setattr(alerts, "send", lambda alert: sent.append(alert) or ("here",))
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    for _ in range(2):
        with pytest.raises(BrokenPromise, match="health_checks"):
            sum_up(summed_up(CHECKS - {"ban"}))
    assert [alert.subject for alert in sent] == ["klines: some promises could not be checked"]
    assert "before they knew: ban" in sent[0].text
    assert sum_up(summed_up(CHECKS)) == {"broken": 0, "empty": True}
    assert [alert.good for alert in sent] == [False, True]


def sum_up(context: dict[str, Any]) -> dict[str, Any]:
    """The closing task, where nobody listens to figures."""
    return publish_health(context, airflow_metrics.send)


def tell_late(dag_id: str, due: datetime) -> None:
    """The deadline's callback, of a run that still runs."""
    run = {"dag_id": dag_id, "dag_run_id": "scheduled__0", "run_type": "scheduled", "state": "running"}
    times = {"queued_at": due.isoformat(), "data_interval_end": due.isoformat()}
    deadlines.tell_late({"dag_run": run | times}, minutes=30)


def hours_red(market_dsn: str, hours: int) -> None:
    """klines_health once an hour from now on, with a promise that stays broken."""
    with psycopg.connect(market_dsn) as conn:
        now = clock_of_database(conn)
    for hour in range(1, hours + 1):
        with pytest.raises(BrokenPromise, match="late run of klines_daily_increment"):
            sum_up(summed_up(CHECKS, now + hour * timedelta(hours=1)))


def test_a_late_run_of_health_itself_clears_with_the_next_one(market_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Alert] = []
    monkeypatch.setattr(alerts, "send", lambda alert: sent.append(alert) or ("here",))
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    tell_late("klines_health", datetime(2026, 1, 10, 9, tzinfo=UTC))
    with pytest.raises(BrokenPromise, match="late run of klines_health"):
        sum_up(summed_up(CHECKS, run_type="manual"))
    assert sum_up(summed_up(CHECKS)) == {"broken": 0, "empty": True}
    assert [alert.subject for alert in sent] == [
        "klines: klines_health is late",
        "klines: late run of klines_health is well again",
    ]


def test_a_late_run_is_told_daily_while_it_lasts(market_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Alert] = []
    monkeypatch.setattr(alerts, "send", lambda alert: sent.append(alert) or ("here",))
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    tell_late("klines_daily_increment", datetime(2026, 1, 10, 2, tzinfo=UTC))
    hours_red(market_dsn, 23)
    assert len(sent) == 1
    hours_red(market_dsn, 50)
    assert sent == [sent[0]] * 3


def test_what_all_channels_refused_about_a_late_run_is_told_at_the_next_full_hour(
    market_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    with open_chat() as chat:
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(chat_connection(chat.port)))

        def refused(deed: Callable[..., None], *words: Any) -> None:
            chat.status = 500
            with pytest.raises(AlertError):
                deed(*words)
            chat.status = 200
            chat.messages.clear()

        refused(tell_late, "klines_daily_increment", datetime(2026, 1, 10, 2, tzinfo=UTC))
        hours_red(market_dsn, 2)
        assert [message["title"] for message in chat.messages] == ["klines: klines_daily_increment is late"]

        done = summed_up(CHECKS)["dag_run"]
        refused(deadlines.run_done, {"dag": SimpleNamespace(dag_id="klines_daily_increment"), "dag_run": done})
        for _ in range(2):
            sum_up(summed_up(CHECKS))
        assert [message["title"] for message in chat.messages] == [
            "klines: late run of klines_daily_increment is well again"
        ]


def test_the_note_stands_though_nobody_could_be_told(market_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    with open_chat() as chat:
        chat.status = 500
        monkeypatch.setenv("AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps(chat_connection(chat.port)))
        context = summed_up(CHECKS - {"ban"})
        with pytest.raises(AlertError, match="some promises could not be checked"):
            sum_up(context)
    assert "health_checks" in context["ti"].note


def test_a_market_database_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Alert] = []
    monkeypatch.setattr(alerts, "send", lambda alert: sent.append(alert) or ("here",))
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", "postgresql://nobody:x@127.0.0.1:9/none")
    with pytest.raises(psycopg.OperationalError):
        sum_up(summed_up(set()))
    assert [alert.subject for alert in sent] == ["klines: the market database does not answer"]
