"""Coverage adds up what measurements counted: it says what a count of the candles says, wherever its window is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from include.klines.quality import measuring
from tests.sql.measured import at, fill, measure_all, remove, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    import psycopg

    from include.klines.windows import Window

ALL = ("2022-11-20", "2024-02-10")
CLOCK = at("2024-06-01 02:00")
SERIES = [("BTC", "1h"), ("LUNA", "1h"), ("BTC", "1d")]
COUNT = """
SELECT count(*), min(candle.timestamp), max(candle.timestamp)
FROM market_data AS candle
INNER JOIN symbol_listing AS listing
    ON listing.symbol = candle.symbol AND candle.timestamp >= listing.listed_at
    AND candle.timestamp < coalesce(listing.delisted_at, 'infinity')
WHERE candle.symbol = %s AND candle.timeframe = %s AND candle.timestamp >= %s AND candle.timestamp < %s
"""


@pytest.fixture
def conn(market_conn: psycopg.Connection) -> psycopg.Connection:
    """BTC with a hole of two whole days and some hours; LUNA, whose ticker was used again in the same year."""
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    list_symbol(market_conn, "LUNA", "2022-12-01 06:00", "2023-05-13 01:00")
    list_symbol(market_conn, "LUNA", "2023-05-31 06:00", number=2)
    hole = ("2023-06-01", "2023-06-03 05:00")
    fill(market_conn, "BTC", *ALL, without=[hole])
    fill(market_conn, "BTC", *ALL, timeframe="1d", without=[hole])
    fill(market_conn, "LUNA", "2022-12-01 06:00", "2023-05-13 01:00")
    fill(market_conn, "LUNA", "2023-05-31 06:00", ALL[1])
    return market_conn


def cover(conn: psycopg.Connection, span: Window) -> list[measuring.SeriesCoverage]:
    return measuring.coverage(conn, SERIES, span)


def measure(conn: psycopg.Connection) -> None:
    measure_all(conn, window(*ALL), CLOCK)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ALL,
        ("2022-12-15 07:00", "2024-01-20 05:00"),
        ("2023-12-31 23:00", "2024-01-01 01:00"),
        ("2023-05-31 12:00", "2023-06-02"),
        ("2023-01-01", "2023-05-20"),
        ("2023-05-14", "2023-05-30"),
        ("2020-01-01", "2022-11-30"),
    ],
)
def test_it_says_what_a_count_says(conn: psycopg.Connection, start: str, end: str, zone: str) -> None:
    span = window(start, end)
    conn.execute(sql.SQL("SET timezone = {}").format(zone))
    unmeasured = [(row.rows, row.first, row.last) for row in cover(conn, span)]
    counted = [conn.execute(COUNT, (*key, span.start, span.end)).fetchone() for key in SERIES]
    assert unmeasured == counted
    measure(conn)
    rows = cover(conn, span)
    assert [(row.rows, row.first, row.last) for row in rows] == counted
    measured = window(max(start, ALL[0]), end)
    for row in rows if start >= ALL[0] else cover(conn, measured):
        assert row.expected - row.rows == sum(row.missing.values())


def test_what_changed_since_a_measurement_is_counted_and_what_was_put_in_by_hand_shows_in_the_next(
    conn: psycopg.Connection,
) -> None:
    measure(conn)
    (before, *_) = cover(conn, window(*ALL))
    remove(conn, "BTC", "2023-02-01", "2023-02-01 03:00")
    assert cover(conn, window(*ALL))[0].rows == before.rows - 3
    measure(conn)
    fill(conn, "BTC", "2023-02-01", "2023-02-01 02:00")
    assert cover(conn, window(*ALL))[0].rows in {before.rows - 3, before.rows - 1}
    measure(conn)
    assert cover(conn, window(*ALL))[0].rows == before.rows - 1
