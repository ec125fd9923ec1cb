"""A closed partition is written anew in the order of its symbols: the same candles, and nobody is kept waiting."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines.upkeep.ordering import order_closed_partitions
from tests.polling import wait_until
from tests.sql.measured import at, fill, months
from tests.sql.pruned import everything, partitions

if TYPE_CHECKING:
    from collections.abc import Iterator

SYMBOLS = ("ADA", "BTC", "ETH", "XRP")


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """Two months that came day by day, over the end of a year."""
    with psycopg.connect(market_dsn, autocommit=True) as connection:
        for month in ("2023-12", "2024-01"):
            for day in range(1, 31):
                for symbol in SYMBOLS:
                    fill(connection, symbol, f"{month}-{day:02}", f"{month}-{day:02} 23:59")
        connection.execute("ANALYZE market_data")
        yield connection


def in_file(conn: psycopg.Connection, partition: str) -> list[str]:
    """The symbols as they lie in the file, each once where it is in one piece."""
    rows = conn.execute(f"SELECT symbol FROM {partition} ORDER BY ctid".encode()).fetchall()  # noqa: S608 – our names
    return [symbol for place, (symbol,) in enumerate(rows) if not place or rows[place - 1] != (symbol,)]


def test_a_closed_year_is_put_in_order_and_the_open_one_is_left(conn: psycopg.Connection) -> None:
    before = everything(conn)
    assert len(in_file(conn, "market_data_1h_2023")) == 30 * len(SYMBOLS)
    assert order_closed_partitions(conn, at("2024-02-01")) == ["1h 2023"]
    assert in_file(conn, "market_data_1h_2023") == list(SYMBOLS)
    assert len(in_file(conn, "market_data_1h_2024")) == 30 * len(SYMBOLS)
    assert everything(conn) == before
    assert partitions(conn) == ["market_data_1h_2023", "market_data_1h_2024"]


def test_running_twice_rewrites_nothing(conn: psycopg.Connection) -> None:
    order_closed_partitions(conn, at("2024-02-01"))
    assert order_closed_partitions(conn, at("2024-02-01")) == []


def test_a_year_that_has_just_ended_is_left(conn: psycopg.Connection) -> None:
    assert order_closed_partitions(conn, at("2024-01-08")) == []


def test_the_new_partition_has_every_constraint_key_and_trigger_of_the_old_one(conn: psycopg.Connection) -> None:
    def shape() -> list[tuple[str, ...]]:
        return conn.execute(
            "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'market_data_1h_2023'::regclass"
            " UNION ALL SELECT tgname::text, '' FROM pg_trigger WHERE tgrelid = 'market_data_1h_2023'::regclass"
            " UNION ALL SELECT relname::text, relpartbound::text FROM pg_class WHERE relname ~ '^market_data_1h_2023'"
            " ORDER BY 1, 2"
        ).fetchall()

    before = shape()
    order_closed_partitions(conn, at("2024-02-01"))
    assert [row[0] for row in shape()] == [row[0] for row in before]
    conn.execute("INSERT INTO series_fingerprint VALUES ('BTC', '1h', '2023-12-01', 1, 'x', now())")
    conn.execute("DELETE FROM market_data WHERE symbol = 'BTC' AND timestamp = '2023-12-05 05:00+00'")
    assert conn.execute("SELECT digest FROM series_fingerprint WHERE month = '2023-12-01'").fetchone() == (None,)
    with pytest.raises(psycopg.errors.CheckViolation, match="high_and_low_bound_open_and_close"):
        conn.execute("UPDATE market_data SET high = 1 WHERE symbol = 'BTC' AND timestamp = '2023-12-06 05:00+00'")
    fill(conn, "BTC", "2023-12-05", "2023-12-06")
    assert conn.execute("SELECT count(*) FROM market_data_1h_2023 WHERE symbol = 'BTC'").fetchone() == (720,)


@pytest.mark.parametrize("keeps_its_key", [False, True])
def test_a_year_that_was_brought_back_beside_the_one_taken_out_is_put_in_order(
    conn: psycopg.Connection, keeps_its_key: bool
) -> None:
    conn.execute("DELETE FROM dataset_pin")
    conn.execute("SELECT take_out_market_data_partition('1h', '2023-01-01 00:00+00')")
    if keeps_its_key:  # as it did before migration 0038
        conn.execute("ALTER INDEX pruned_market_data_1h_2023_pkey RENAME TO market_data_1h_2023_pkey")
    for symbol in SYMBOLS:
        fill(conn, symbol, "2023-12-01", "2023-12-02")
    before = everything(conn)
    order = "SELECT order_market_data_partition('1h', '2023-01-01 00:00+00')"
    assert conn.execute(order.encode()).fetchone() == (96,)
    assert everything(conn) == before
    conn.execute("SELECT drop_taken_out_partition('pruned_market_data_1h_2023')")
    assert conn.execute(order.encode()).fetchone() == (96,)


def test_readers_go_on_and_writers_of_that_year_wait(conn: psycopg.Connection, market_dsn: str) -> None:
    with psycopg.connect(market_dsn, autocommit=True) as other:
        other.execute("SET lock_timeout = '50ms'")
        with conn.transaction():
            conn.execute("SELECT hold_market_data_partition('1h', '2023-01-01 00:00+00')")  # as while it copies
            assert other.execute("SELECT count(*) FROM market_data").fetchone() == (2 * 720 * len(SYMBOLS),)
            fill(other, "NEW", "2024-01-31", "2024-02-01")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                fill(other, "NEW", "2023-12-31", "2024-01-01")


def test_a_rewrite_that_is_ended_leaves_everything_as_it_was(conn: psycopg.Connection, market_dsn: str) -> None:
    before = everything(conn)
    with psycopg.connect(market_dsn) as reader:
        reader.execute("SELECT count(*) FROM market_data")  # keeps its lock to the end of its transaction
        conn.execute("SET statement_timeout = '2s'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            order_closed_partitions(conn, at("2024-02-01"))
        conn.execute("RESET statement_timeout")
    assert everything(conn) == before
    assert partitions(conn) == ["market_data_1h_2023", "market_data_1h_2024"]
    assert conn.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^ordered_'").fetchone() == (0,)
    assert order_closed_partitions(conn, at("2024-02-01")) == ["1h 2023"]
    assert months(conn, "BTC") == []


def test_a_load_that_waits_for_the_year_goes_first(conn: psycopg.Connection, market_dsn: str) -> None:
    """A long read keeps the copy from its place, and the copy a load: the copy gives way, not the load."""
    said: list[str] = []

    def order() -> None:
        with psycopg.connect(market_dsn, autocommit=True) as own:
            try:
                order_closed_partitions(own, at("2024-02-01"))
            except psycopg.errors.LockNotAvailable as error:
                said.append(str(error.diag.message_primary))

    def waits_for_the_parent() -> bool:
        waiting = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'market_data_1h'::regclass AND NOT granted"
        return conn.execute(waiting).fetchone() == (True,)

    with psycopg.connect(market_dsn) as reader, psycopg.connect(market_dsn, autocommit=True) as load:
        reader.execute("SELECT count(*) FROM market_data")  # keeps its lock to the end of its transaction
        ordering = threading.Thread(target=order)
        ordering.start()
        wait_until(waits_for_the_parent, "the copy")
        load.execute("SET statement_timeout = '30s'")
        fill(load, "NEW", "2023-12-05", "2023-12-06")
        ordering.join()
    assert said == ["market_data_1h_2023 is being written to and stays as it is."]
    conn.execute("ANALYZE market_data")
    assert order_closed_partitions(conn, at("2024-02-01")) == ["1h 2023"]
    assert in_file(conn, "market_data_1h_2023") == ["ADA", "BTC", "ETH", "NEW", "XRP"]
