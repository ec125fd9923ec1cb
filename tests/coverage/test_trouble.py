"""What the page says while its database has trouble: a status and a sentence, never a stack or an address."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import requests
import uvicorn
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from include.local.ports import LOOPBACK, free_port
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


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
    with served(page_app(address)) as url:
        yield url


def page_app(address: str) -> FastAPI:
    from coverage_page.access import may_read_dags
    from coverage_page.app import make_app
    from coverage_page.database import Answers, Database

    app = make_app(Database(lambda: address), Answers(seconds=0))
    app.dependency_overrides[may_read_dags.dependency] = lambda: None
    return app


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


class Way:
    """A way to the database on which everything is lost from the first question on, and no end says so."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server((LOOPBACK, 0))
        self._opened: list[socket.socket] = []
        self.lost = threading.Event()
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                pair = self._listening.accept()[0], socket.create_connection((LOOPBACK, self._to))
                self._opened += pair
                for one, other in (pair, reversed(pair)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if b"BEGIN" in data:
                    self.lost.set()
                if not self.lost.is_set():
                    other.sendall(data)

    def end(self) -> None:
        """End every connection, as keepalives do after some seconds."""
        for one in (self._listening, *self._opened):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def test_a_way_to_the_database_that_is_gone_does_not_take_airflow_with_it(
    postgres_server: Any, market_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coverage_page import database

    monkeypatch.setattr(database, "WAIT_SECONDS", 60)
    address = conninfo_to_dict(postgres_server.dsn(conninfo_to_dict(market_dsn)["dbname"], "backtester"))
    way = Way(int(address["port"]))
    airflow = FastAPI()
    airflow.mount("/coverage", page_app(make_conninfo(**{**address, "port": way.port})))

    @airflow.get("/heartbeat")
    def heartbeat() -> str:  # in the threads that all routes share, as Airflow's are
        return "alive"

    with served(airflow) as url, ThreadPoolExecutor(45) as pool:
        try:
            answers = [pool.submit(get, f"{url}/coverage/api/metrics") for _ in range(45)]
            assert way.lost.wait(10)
            assert requests.get(f"{url}/heartbeat", timeout=10, proxies={"http": ""}).json() == "alive"
            assert not any(answer.done() for answer in answers)
        finally:
            way.end()
    for answer in answers:
        assert answer.result().status_code == 503
        assert answer.result().json()["detail"].startswith("The market database does not answer")
