"""How the page reads: as a role that cannot write, for seconds at most, a few at once."""

from __future__ import annotations

import os
import re
import socket
import threading
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from include.klines.coverage import figures, heatmap, machine_health, overview, store
from include.klines.coverage.filters import Filters
from include.klines.settings import SQL_DIR
from tests.coverage import wide

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK = datetime(2025, 12, 31, 12, tzinfo=UTC)


@pytest.fixture
def address(postgres_server: Any, market_dsn: str) -> str:
    """The address of an empty market database as the role backtester."""
    name = psycopg.conninfo.conninfo_to_dict(market_dsn)["dbname"]
    return str(postgres_server.dsn(name, "backtester"))


def test_a_session_of_the_page_cannot_write_whoever_it_is(market_dsn: str) -> None:
    with store.read_connection(market_dsn) as conn, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        conn.execute(b"DELETE FROM data_quality")


def test_a_read_that_takes_too_long_is_stopped(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(store.SESSION, "statement_timeout", "50ms")
    with store.read_connection(address) as conn, pytest.raises(psycopg.errors.QueryCanceled):
        conn.execute(b"SELECT count(*) FROM generate_series(1, 1000000000)")


def test_every_session_has_its_bounds(address: str) -> None:
    with store.read_connection(make_conninfo(address, options="-c work_mem=8MB")) as conn:
        for name in ("statement_timeout", "lock_timeout", "default_transaction_read_only"):
            assert conn.execute(f"SHOW {name}".encode()).fetchone() == (store.SESSION[name],)
        assert conn.execute(b"SHOW work_mem").fetchone() == ("8MB",)
        assert conn.execute(b"SELECT current_user").fetchone() == ("backtester",)


def test_a_way_to_the_database_that_is_gone_is_noticed_in_seconds(address: str) -> None:
    with store.read_connection(address) as conn, socket.socket(fileno=os.dup(conn.fileno())) as opened:
        of_tcp = partial(opened.getsockopt, socket.IPPROTO_TCP)
        silent, between, times = map(of_tcp, (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT))
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert of_tcp(socket.TCP_USER_TIMEOUT) == 10_000
    assert silent + between * times <= 15


def test_an_empty_database_is_an_empty_page_and_healthy(address: str) -> None:
    with store.read_connection(address) as conn:
        assert b'"months" : [], "series" : []' in heatmap.heatmap(conn, "1h", Filters(), CLOCK)
        found = overview.overview(conn, CLOCK)
        health = machine_health.ask(conn, CLOCK)
        numbers = {figure.name: figure.value for figure in figures.figures(conn, CLOCK)}
    assert found["totals"]["series"] == found["totals"]["candles"] == 0
    assert (found["last_sync"], found["worst"], found["completeness"], found["weight"]) == (None, [], [], None)
    assert health.healthy
    assert health.empty
    assert numbers["broken_promises"] == 0
    assert "last_sync_age_seconds" not in numbers


def test_a_universe_fits_into_two_answers(market_conn: psycopg.Connection, address: str) -> None:
    wide.fill(market_conn)
    market_conn.commit()
    for timeframe in wide.TIMEFRAMES:
        with store.read_connection(address) as conn:
            rows = heatmap.as_rows(heatmap.heatmap(conn, timeframe, Filters(), CLOCK))
        assert len(rows) == wide.SYMBOLS * wide.MONTHS
        assert {row["state"] for row in rows} == {"loaded"}
        missing = sum(row["expected"] - row["present"] for row in rows)
        assert missing == sum(row[cause] for row in rows for cause in heatmap.CAUSES) > 0


def test_only_the_chart_reads_candles() -> None:
    reading = {
        path.stem for path in (SQL_DIR / "coverage").glob("*.sql") if re.search(r"\bmarket_data\b", path.read_text())
    }
    assert reading == {"candles"}


def address_of(conninfo: str) -> Callable[[], str]:
    return lambda: conninfo


def test_only_a_few_questions_are_put_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from coverage_page import database

    monkeypatch.setattr(database, "WAIT_SECONDS", 0.01)
    source = database.Database(address_of(address))
    held = [source.connection() for _ in range(database.CONNECTIONS)]
    for one in held:
        one.__enter__()
    with pytest.raises(database.Unavailable, match="Too many people look at once"), source.connection():
        pass
    held[0].__exit__(None, None, None)
    with source.connection() as conn:
        assert conn.execute(b"SELECT 1").fetchone() == (1,)
    for one in held[1:]:
        one.__exit__(None, None, None)


def test_an_answer_is_made_once_and_kept_for_some_seconds() -> None:
    from coverage_page.database import Answers

    now = [100.0]
    answers = Answers(seconds=15, clock=lambda: now[0])
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return b"%d" % len(made)

    assert [answers.get("a", make), answers.get("a", make)] == [b"1", b"1"]
    now[0] += 16
    assert answers.get("a", make) == b"2"
    assert answers.get("b", make) == b"3"


def test_who_asks_at_the_same_time_waits_for_one_answer() -> None:
    from coverage_page.database import Answers

    answers, begun, go_on = Answers(), threading.Event(), threading.Event()
    made: list[int] = []

    def slow() -> bytes:
        made.append(1)
        begun.set()
        assert go_on.wait(10)
        return b"one"

    found: list[bytes] = []
    askers = [threading.Thread(target=lambda: found.append(answers.get("a", slow))) for _ in range(4)]
    for asker in askers:
        asker.start()
    assert begun.wait(10)
    go_on.set()
    for asker in askers:
        asker.join(10)
    assert (found, len(made)) == ([b"one"] * 4, 1)


def test_who_waits_too_long_for_anothers_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from coverage_page import database

    monkeypatch.setattr(database, "WAIT_SECONDS", 0.01)
    answers, begun, go_on = database.Answers(), threading.Event(), threading.Event()
    first = threading.Thread(target=lambda: answers.get("a", lambda: (begun.set(), go_on.wait(10))))
    first.start()
    assert begun.wait(10)
    with pytest.raises(database.Unavailable, match="has not answered"):
        answers.get("a", lambda: b"two")
    go_on.set()
    first.join(10)
    assert answers.get("a", lambda: b"two") == (None, True)


def test_an_error_is_not_kept() -> None:
    from coverage_page.database import Answers, Unavailable

    answers = Answers()

    def fail() -> bytes:
        raise Unavailable("no")

    with pytest.raises(Unavailable):
        answers.get("a", fail)
    assert answers.get("a", lambda: b"yes") == b"yes"


def test_a_connection_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.connection import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from coverage_page import database

    def missing(conn_id: str) -> Connection:
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(Connection, "get_connection_from_secrets", missing)
    with pytest.raises(database.Unavailable, match=r"no connection market_db_read.*make run"):
        database.conninfo()
