"""Connections to the market database: UTC, autocommit, so that each transaction is one somebody asked for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.klines.settings import MARKET_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import psycopg


def prepare(conn: psycopg.Connection) -> psycopg.Connection:
    """Set a fresh connection up for this project: autocommit and UTC, whatever the server's defaults are."""
    conn.autocommit = True
    conn.execute(b"SET TIME ZONE 'UTC'")
    return conn


def clock_of_database(conn: psycopg.Connection) -> datetime:
    """The market database's time (UTC): the one clock that all machines share where the exchange is not asked."""
    moment: datetime
    ((moment,),) = conn.execute(b"SELECT clock_timestamp()").fetchall()
    return moment


@contextmanager
def market_connection(hook: Any = None) -> Iterator[psycopg.Connection]:
    """A connection to the database of the Airflow connection market_db (or of `hook`), closed at the end."""
    from binance_plugin import market

    if hook is None:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        hook = PostgresHook(postgres_conn_id=MARKET_CONN_ID)
    conn = market.connect(hook)
    try:
        yield prepare(conn)
    finally:
        conn.close()
