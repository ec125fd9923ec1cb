"""What klines_health promises, finds, writes to sla_miss, and says to whom: once, daily, and when it has cleared."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from include.klines.errors import AlertError, InvalidRequest
from include.klines.health import alerts, checks
from include.klines.health.alerts import Alert
from tests.sql.measured import at, fill, gap, measure_all, remove, window
from tests.sql.stored import list_symbol

NOW = at("2024-06-20")
HOUR = timedelta(hours=1)


@pytest.fixture
def conn(market_dsn: str) -> Any:
    with psycopg.connect(market_dsn, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    """What was sent."""
    sent: list[Alert] = []

    def take(alert: Alert) -> tuple[str, ...]:
        sent.append(alert)
        return ("here",)

    monkeypatch.setattr(alerts, "send", take)
    return sent


def stored(conn: psycopg.Connection, symbol: str, *, start: str = "2024-05-01", end: str = "2024-06-20") -> None:
    """A listed pair with whole 1h candles, measured and synced at NOW."""
    list_symbol(conn, symbol, start)
    fill(conn, symbol, start, end)
    measure(conn)
    synced(conn, symbol, NOW)


def measure(conn: psycopg.Connection, clock: datetime = NOW) -> None:
    measure_all(conn, window("2024-05-01", "2024-06-20"), clock)


def synced(conn: psycopg.Connection, symbol: str, when: datetime) -> None:
    conn.execute("UPDATE historical_data_range SET last_synced = %s WHERE symbol = %s", (when, symbol))


def logged(conn: psycopg.Connection, symbol: str, *, failed: int, fine: int, retries: int = 0) -> None:
    """Windows in data_sync_log, an hour before NOW, each of ten requests."""
    conn.execute(
        """
        INSERT INTO data_sync_log (
            dag_id, run_id, lane, symbol, timeframe, window_start, window_end, source, status, requests, retries, error,
            started_at, finished_at
        )
        SELECT 'd', 'r', 'l', %(symbol)s, '1h', '2024-06-01', '2024-06-02', 'rest',
            CASE WHEN n <= %(failed)s THEN 'failed' ELSE 'success' END, 10, %(retries)s,
            CASE WHEN n <= %(failed)s THEN 'ExchangeUnavailable: it answers 503.' END, %(at)s, %(at)s
        FROM generate_series(1, %(failed)s + %(fine)s) AS n
        """,
        {"symbol": symbol, "failed": failed, "fine": fine, "retries": retries, "at": NOW - HOUR},
    )


def found(conn: psycopg.Connection, kind: str, clock: datetime = NOW) -> list[str]:
    return [finding.series for finding in checks.check(conn, kind, clock).findings]


def misses(conn: psycopg.Connection, what: str) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT symbol, timeframe, missed_at, cleared_at FROM sla_miss WHERE what = %s ORDER BY id", (what,)
    ).fetchall()


@pytest.mark.parametrize("kind", checks.KINDS)
def test_an_empty_database_is_healthy(conn: psycopg.Connection, kind: str) -> None:
    assert found(conn, kind) == []
    assert checks.is_empty(conn)


@pytest.mark.parametrize("kind", checks.KINDS)
def test_a_whole_series_is_healthy(conn: psycopg.Connection, kind: str) -> None:
    stored(conn, "BTC")
    assert found(conn, kind) == []
    assert not checks.is_empty(conn)


def test_an_unknown_check_is_refused_by_name(conn: psycopg.Connection) -> None:
    with pytest.raises(InvalidRequest, match=r"'moods'.*completeness"):
        checks.check(conn, "moods", NOW)


def test_incomplete_series_are_named_worst_first_with_cause_and_command(conn: psycopg.Connection) -> None:
    for symbol in ("BTC", "ETH", "SOL"):
        stored(conn, symbol)
    remove(conn, "ETH", "2024-06-10", "2024-06-11")
    remove(conn, "SOL", "2024-06-10 12:00", "2024-06-12 12:00")
    measure(conn)
    verdict = checks.check(conn, "completeness", NOW)
    assert [finding.series for finding in verdict.findings] == ["SOL 1h", "ETH 1h"]
    assert verdict.headline == "completeness is below 99 % for 2 series"
    assert (
        "missing 48 not_published: SOL 1h 93.33 percent of 30 days, 96.00 percent of 90 days, 96.00 percent of 365 days"
        in verdict.text
    )
    assert verdict.mend == (
        "airflow dags trigger klines_weekly_gap_fill --conf "
        """'{"symbols": ["ETH", "SOL"], "timeframes": ["1h"], "days": 365}'"""
    )


def test_a_pair_that_is_being_delisted_breaks_no_promise_until_its_end_is_known(conn: psycopg.Connection) -> None:
    list_symbol(conn, "BTC", "2024-05-01", status="BREAK")
    fill(conn, "BTC", "2024-05-01", "2024-06-18")
    measure(conn)
    assert found(conn, "completeness") == []
    conn.execute("UPDATE symbol_listing SET status = 'TRADING'")
    assert found(conn, "completeness") == ["BTC 1h"]


def test_explained_holes_break_no_promise(conn: psycopg.Connection) -> None:
    stored(conn, "BTC")
    remove(conn, "BTC", "2024-06-10", "2024-06-12")
    measure(conn)
    assert found(conn, "completeness") == ["BTC 1h"]
    conn.execute("UPDATE data_gap SET cause = 'suspension', rest_empty_on = '{2024-06-13,2024-06-14}',"
                 " archive_empty_on = '{2024-06-13,2024-06-14}'")  # fmt: skip
    measure(conn)
    assert gap(conn, "BTC", "2024-06-10")["cause"] == "suspension"
    assert found(conn, "completeness") == []
    assert found(conn, "open_gaps", NOW + timedelta(days=30)) == []


def test_a_daily_dag_that_is_paused_or_never_ran_is_noticed_after_48_hours(conn: psycopg.Connection) -> None:
    stored(conn, "BTC")
    stored(conn, "ETH")
    synced(conn, "ETH", NOW - HOUR)
    assert found(conn, "last_sync", NOW + 48 * HOUR - HOUR) == []
    verdict = checks.check(conn, "last_sync", NOW + 48 * HOUR)
    assert [finding.series for finding in verdict.findings] == ["ETH 1h"]
    verdict = checks.check(conn, "last_sync", NOW + 49 * HOUR)
    assert "last synced 2024-06-19 23:00 UTC: ETH 1h\n- last synced 2024-06-20 00:00 UTC: BTC 1h" in verdict.text
    assert "airflow dags unpause klines_daily_increment" in verdict.mend


def test_only_what_is_kept_up_to_date_has_to_be_synced(conn: psycopg.Connection) -> None:
    stored(conn, "BTC")
    list_symbol(conn, "LUNA", "2024-05-01", "2024-06-01")
    list_symbol(conn, "USDC", "2024-05-01", tier="excluded", excluded_by="stable")
    for symbol in ("LUNA", "USDC"):
        fill(conn, symbol, "2024-05-01", "2024-06-01")
    fill(conn, "BTC", "2024-05-01", "2024-06-01", timeframe="5m")  # not enabled
    conn.execute(
        "UPDATE historical_data_range SET last_synced = '2024-06-01' WHERE (symbol, timeframe) <> ('BTC', '1h')"
    )
    assert found(conn, "last_sync") == []


def test_gaps_have_seven_days_to_close(conn: psycopg.Connection) -> None:
    stored(conn, "BTC")
    remove(conn, "BTC", "2024-06-10 03:00", "2024-06-10 05:00")
    measure(conn)
    assert gap(conn, "BTC", "2024-06-10 03:00")["cause"] == "not_published"
    assert found(conn, "open_gaps", NOW + timedelta(days=8)) == []
    measure(conn, NOW + timedelta(days=60))
    assert gap(conn, "BTC", "2024-06-10 03:00")["cause"] == "open"
    assert found(conn, "open_gaps", NOW + timedelta(days=7)) == []
    verdict = checks.check(conn, "open_gaps", NOW + timedelta(days=7, hours=1))
    assert "never asked for: BTC 1h 2 candles in 1 gaps, 2024-06-10 03:00 to 2024-06-10 05:00" in verdict.text
    assert '"start": "2024-06-10", "end": "2024-06-10", "max_attempts": 1}' in verdict.mend


def test_a_day_of_failed_windows_is_named_by_its_error(conn: psycopg.Connection) -> None:
    logged(conn, "BTC", failed=0, fine=40)
    logged(conn, "ETH", failed=3, fine=10)
    assert found(conn, "errors") == [], "three may always fail"
    logged(conn, "SOL", failed=5, fine=0)
    verdict = checks.check(conn, "errors", NOW)
    assert [finding.series for finding in verdict.findings] == ["SOL 1h", "ETH 1h"]
    assert verdict.headline == "8 of 58 windows failed in the last day"
    assert "ExchangeUnavailable: it answers 503.: SOL 1h 5 of 5; ETH 1h 3 of 13" in verdict.text
    assert found(conn, "errors", NOW + timedelta(days=1)) == []


def test_a_day_of_requests_that_were_sent_again_is_noticed(conn: psycopg.Connection) -> None:
    logged(conn, "BTC", failed=0, fine=20, retries=1)
    assert found(conn, "errors") == []
    logged(conn, "ETH", failed=0, fine=5, retries=9)
    verdict = checks.check(conn, "errors", NOW)
    assert verdict.headline == "65 of 250 requests were sent again in the last day"
    assert "ETH 1h 45, BTC 1h 20" in verdict.text


def test_a_ban_is_told_until_it_ends(conn: psycopg.Connection) -> None:
    conn.execute("SELECT lock_exchange_budget('https://api.example')")
    conn.execute("UPDATE exchange_budget SET banned_until = %s", (NOW + HOUR,))
    verdict = checks.check(conn, "ban", NOW)
    assert "banned until 2024-06-20 01:00 UTC: https://api.example" in verdict.text
    assert checks.check(conn, "ban", NOW + HOUR).findings == ()


def test_a_state_is_told_once_then_daily_then_that_it_cleared(conn: psycopg.Connection, outbox: list[Alert]) -> None:
    stored(conn, "BTC")
    hours = []
    for hour in range(48, 48 + 60):
        clock = NOW + hour * HOUR
        if hour == 100:
            synced(conn, "BTC", clock)
        if checks.report(conn, checks.check(conn, "last_sync", clock), clock):
            hours.append(hour)
    assert hours == [49, 73, 97, 100]
    assert [alert.good for alert in outbox] == [False, False, False, True]
    assert outbox[-1] == Alert("klines: last_sync is well again", "Cleared: BTC 1h.", good=True)
    assert misses(conn, "last_sync") == [("BTC", "1h", NOW + 49 * HOUR, NOW + 100 * HOUR)]


def test_news_about_another_series_is_told_at_once(conn: psycopg.Connection, outbox: list[Alert]) -> None:
    stored(conn, "BTC")
    stored(conn, "ETH")
    synced(conn, "ETH", NOW + 2 * HOUR)
    told = {hour: _report(conn, "last_sync", NOW + hour * HOUR) for hour in (49, 50, 51, 52)}
    assert [hour for hour, channels in told.items() if channels] == [49, 51]
    assert "for 2 series" in outbox[-1].subject
    synced(conn, "BTC", NOW + 52 * HOUR)
    _report(conn, "last_sync", NOW + 53 * HOUR)
    assert outbox[-1].text.endswith("Cleared: BTC 1h.")
    assert "ETH 1h" in outbox[-1].text
    assert [row[3] is None for row in misses(conn, "last_sync")] == [False, True]


def test_what_breaks_again_is_a_new_miss(conn: psycopg.Connection, outbox: list[Alert]) -> None:
    stored(conn, "BTC")
    _report(conn, "last_sync", NOW + 49 * HOUR)
    synced(conn, "BTC", NOW + 50 * HOUR)
    _report(conn, "last_sync", NOW + 50 * HOUR)
    _report(conn, "last_sync", NOW + 99 * HOUR)
    assert [row[2:] for row in misses(conn, "last_sync")] == [
        (NOW + 49 * HOUR, NOW + 50 * HOUR),
        (NOW + 99 * HOUR, None),
    ]
    assert len(outbox) == 3


def test_running_a_check_twice_changes_and_sends_nothing(conn: psycopg.Connection, outbox: list[Alert]) -> None:
    stored(conn, "BTC")
    _report(conn, "last_sync", NOW + 49 * HOUR)
    before = misses(conn, "last_sync")
    assert _report(conn, "last_sync", NOW + 49 * HOUR) == ()
    assert misses(conn, "last_sync") == before
    assert len(outbox) == 1


def test_what_could_not_be_sent_is_due_again_at_the_next_check(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(conn, "BTC")

    def refuse(alert: Alert) -> tuple[str, ...]:
        raise AlertError("nobody was told")

    with monkeypatch.context() as broken:
        broken.setattr(alerts, "send", refuse)
        with pytest.raises(AlertError):
            _report(conn, "last_sync", NOW + 49 * HOUR)
    assert len(misses(conn, "last_sync")) == 1
    monkeypatch.setattr(alerts, "send", lambda alert: ("here",))
    assert _report(conn, "last_sync", NOW + 50 * HOUR) == ("here",)
    assert _report(conn, "last_sync", NOW + 51 * HOUR) == ()


def test_hundreds_of_series_with_one_cause_make_one_short_message() -> None:
    findings = [checks.Finding(f"S{n}", "1h", "", "last synced long ago") for n in range(450)]
    text = checks.Verdict("last_sync", "the last sync is over 48 hours ago", tuple(findings), "unpause it.").text
    assert text.count("\n") == 2
    assert "S0 1h; S1 1h" in text
    assert "and 430 more" in text


def _report(conn: psycopg.Connection, kind: str, clock: datetime) -> tuple[str, ...]:
    return checks.report(conn, checks.check(conn, kind, clock), clock)
