"""What the page says while its database has trouble: a status and a sentence, never a stack or an address."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import requests
import uvicorn

from include.local.ports import LOOPBACK, free_port
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from fastapi import FastAPI


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The app on a socket of its own; its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server to start")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def page(address: str) -> Iterator[str]:
    """The page over a database, for whoever asks: who gets in is tried in test_access."""
    from coverage_page.access import may_read_dags
    from coverage_page.app import make_app
    from coverage_page.database import Answers, Database

    app = make_app(Database(lambda: address), Answers(seconds=0))
    app.dependency_overrides[may_read_dags.dependency] = lambda: None
    with served(app) as url:
        yield url


def get(url: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=30)


def test_a_database_that_is_down_is_503_with_a_sentence() -> None:
    with page(f"postgresql://backtester:secret@{LOOPBACK}:{free_port()}/market") as url:
        for path in ("heatmap", "series/BTC/1h", "metrics", "gaps?format=csv"):
            answer = get(f"{url}/api/{path}")
            assert answer.status_code == 503
            assert answer.json()["detail"].startswith("The market database does not answer")
            assert "secret" not in answer.text
        health = get(f"{url}/api/health")
    assert health.status_code == 503
    assert health.json()["reasons"] == [answer.json()["detail"]]


def test_a_database_without_tables_is_said_to_be_old(postgres_server: Any, empty_dsn: str) -> None:
    with page(empty_dsn) as url:
        answer = get(f"{url}/api/heatmap")
    assert answer.status_code == 503
    assert "python -m include.klines.migrate" in answer.json()["detail"]


def test_a_role_that_may_not_read_is_named(postgres_server: Any, market_dsn: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(market_dsn)["dbname"]
    with psycopg.connect(market_dsn, autocommit=True) as conn:
        conn.execute(b"REVOKE SELECT ON data_quality FROM backtester")
    with page(postgres_server.dsn(name, "backtester")) as url:
        answer = get(f"{url}/api/heatmap")
    assert answer.status_code == 503
    assert "may not read a table" in answer.json()["detail"]


def test_a_lock_of_a_load_is_not_waited_for(
    postgres_server: Any, market_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.klines.coverage import store

    monkeypatch.setitem(store.SESSION, "lock_timeout", "50ms")
    name = psycopg.conninfo.conninfo_to_dict(market_dsn)["dbname"]
    with psycopg.connect(market_dsn) as load, page(postgres_server.dsn(name, "backtester")) as url:
        load.execute(b"LOCK TABLE data_quality IN ACCESS EXCLUSIVE MODE")
        answer = get(f"{url}/api/heatmap")
        assert answer.status_code == 503
        assert "try again in some seconds" in answer.json()["detail"]
        load.rollback()
        assert get(f"{url}/api/heatmap").status_code == 200
