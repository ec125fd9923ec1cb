"""Statements that write several rows of historical_data_range lock them by name, so that no two wait for each other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines import sql
from include.klines.database import prepare
from include.klines.load.lanes import SeriesPlan
from include.klines.load.store import touch
from include.klines.quality import measuring
from tests.polling import wait_until
from tests.sql.measured import at, fill, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYMBOLS = ("C", "B", "A")
"""In the order in which their rows lie, and are named."""


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """A day of three pairs, whose ranges count a candle too many."""
    with psycopg.connect(market_dsn) as connection:
        prepare(connection)
        for symbol in SYMBOLS:
            list_symbol(connection, symbol, "2023-12-01")
            fill(connection, symbol, "2023-12-01", "2023-12-02")
        for symbol in SYMBOLS:
            connection.execute(
                "UPDATE historical_data_range SET total_records = total_records + 1 WHERE symbol = %s", (symbol,)
            )
        yield connection


def touch_all(conn: psycopg.Connection) -> None:
    touch(conn, [SeriesPlan(symbol, f"{symbol}USDT", "1h", ()) for symbol in SYMBOLS], at("2024-06-02"))


def measure(conn: psycopg.Connection) -> None:
    series, day = [(symbol, "1h") for symbol in SYMBOLS], window("2023-12-01", "2023-12-02")
    measuring.measure(conn, series, day, at("2024-06-01"))


def prune(conn: psycopg.Connection) -> None:
    binds = {"symbols": list(SYMBOLS), "removed": [1, 1, 1], "timeframe": "1h"}
    conn.execute(sql.load("prune/refresh_ranges").encode(), binds)


@pytest.mark.parametrize("write", [touch_all, measure, prune])
def test_a_range_is_not_locked_before_one_that_comes_before_it(
    conn: psycopg.Connection, market_dsn: str, write: Callable[[psycopg.Connection], None]
) -> None:
    def waits() -> bool:
        return conn.execute("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted").fetchone() == (True,)

    with psycopg.connect(market_dsn) as other, psycopg.connect(market_dsn) as writer:
        other.execute("SELECT FROM historical_data_range WHERE symbol = 'B' FOR UPDATE")
        writing = threading.Thread(target=write, args=(prepare(writer),))
        writing.start()
        wait_until(waits, "the row of B")
        free = conn.execute("SELECT symbol FROM historical_data_range FOR UPDATE SKIP LOCKED").fetchall()
        other.rollback()
        writing.join()
    assert free == [("C",)]
    written = "SELECT symbol FROM historical_data_range WHERE total_records = 24 OR last_synced > '2024-06-01'"
    assert {symbol for (symbol,) in conn.execute(written.encode())} == set(SYMBOLS)
