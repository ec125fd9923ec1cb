"""Sessions of tasks on the market database, however its Airflow connection was made."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

from binance_plugin.hook import BinanceHook
from include.klines.database import market_connection

if TYPE_CHECKING:
    import psycopg
    import pytest


def bounds(conn: psycopg.Connection) -> tuple[int, ...]:
    """Keepalives: on, seconds until the first one and between them; milliseconds until the other end counts as gone."""
    options = (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )
    with socket.socket(fileno=os.dup(conn.fileno())) as opened:
        return tuple(opened.getsockopt(*each) for each in options)


def test_tasks_and_budget_give_up_a_database_that_is_gone(market_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", market_dsn)
    with market_connection() as conn:
        assert bounds(conn) == (1, 30, 10, 120_000)
    with closing(BinanceHook()._open_market_database()) as conn:
        assert bounds(conn) == (1, 30, 10, 120_000)


def test_what_the_connection_says_itself_holds(market_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MARKET_DB", f"{market_dsn}?keepalives_idle=7&application_name=mine")
    with market_connection() as conn:
        assert bounds(conn) == (1, 7, 10, 120_000)
        assert conn.execute("SHOW application_name").fetchone() == ("mine",)
