"""A window that goes into one partition is copied there, and the partition stays in its place meanwhile."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTH = ("1m", datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
TO_FILL = "SELECT partition_to_fill(%s, %s, %s)"
TAKE_OUT = "SELECT take_out_market_data_partition('1m', '2024-01-01Z')"


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """A month of 1m and a year of 1h without candles."""
    with psycopg.connect(market_dsn, autocommit=True) as connection:
        connection.execute("SELECT ensure_market_data_partitions('1m', '2024-01-01Z', '2024-02-01Z')")
        connection.execute("SELECT ensure_market_data_partitions('1h', '2024-01-01Z', '2024-02-01Z')")
        yield connection


def to_fill(conn: psycopg.Connection, timeframe: str, starts: str, ends: str) -> str | None:
    row = conn.execute(TO_FILL, (timeframe, starts, ends)).fetchone()
    assert row is not None
    return None if row[0] is None else str(row[0])


@pytest.mark.parametrize(
    ("timeframe", "starts", "ends", "partition"),
    [
        ("1m", "2024-01-01Z", "2024-02-01Z", "market_data_1m_2024_01"),
        ("1m", "2024-01-31 23:59Z", "2024-02-01Z", "market_data_1m_2024_01"),
        ("1m", "2024-01-31Z", "2024-02-01 00:01Z", None),
        ("1m", "2024-02-01Z", "2024-03-01Z", None),
        ("1h", "2024-01-01Z", "2025-01-01Z", "market_data_1h_2024"),
        ("1h", "2023-12-31Z", "2024-02-01Z", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
def test_the_partition_of_a_window_is_named_where_there_is_exactly_one(
    conn: psycopg.Connection, timeframe: str, starts: str, ends: str, partition: str | None, zone: str
) -> None:
    conn.execute("SELECT set_config('timezone', %s, FALSE)", (zone,))
    assert to_fill(conn, timeframe, starts, ends) == partition


def test_nobody_takes_it_out_until_the_load_has_ended(conn: psycopg.Connection, market_dsn: str) -> None:
    with psycopg.connect(market_dsn) as load, psycopg.connect(market_dsn, autocommit=True) as prune:
        load.execute(TO_FILL, MONTH)
        prune.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            prune.execute(TAKE_OUT)
        load.commit()
        prune.execute(TAKE_OUT)
        assert load.execute(TO_FILL, MONTH).fetchone() == (None,)


def test_a_load_that_waited_for_it_to_be_taken_out_does_not_write_to_it(
    conn: psycopg.Connection, market_dsn: str
) -> None:
    found: list[object] = []
    with psycopg.connect(market_dsn) as prune, psycopg.connect(market_dsn) as load:
        prune.execute(TAKE_OUT)
        waiting = threading.Thread(target=lambda: found.append(load.execute(TO_FILL, MONTH).fetchone()))
        waiting.start()
        asked = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        wait_until(lambda: conn.execute(asked, (load.info.backend_pid,)).fetchone() is not None, "the load to wait")
        prune.commit()
        waiting.join()
    assert found == [(None,)]


def test_a_role_that_may_only_write_to_market_data_is_sent_there(conn: psycopg.Connection) -> None:
    conn.execute("REVOKE INSERT ON market_data_1m_2024_01 FROM CURRENT_USER")
    assert to_fill(conn, "1m", "2024-01-01Z", "2024-02-01Z") is None
    conn.execute("GRANT INSERT ON market_data_1m_2024_01 TO CURRENT_USER")
    assert to_fill(conn, "1m", "2024-01-01Z", "2024-02-01Z") == "market_data_1m_2024_01"
