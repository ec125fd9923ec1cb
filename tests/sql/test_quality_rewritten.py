"""A year is put in order while somebody keeps what its candles come to: what is kept is that of all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines.database import prepare
from include.klines.quality import measuring
from include.klines.quality.measuring import QualityReport
from tests.sql.measured import at, fill, gaps, months, window
from tests.sql.stored import list_symbol
from tests.sql.test_reader_rewritten import run_sql, while_it_commits

if TYPE_CHECKING:
    from collections.abc import Iterator

NOVEMBER = window("2023-11-01", "2023-12-01")
WRONG = at("2023-11-05 07:00")


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    """November of BTC, measured; an hour of it is higher than its day. Then a load has touched all of it."""
    with psycopg.connect(market_dsn) as connection:
        list_symbol(prepare(connection), "BTC", "2017-08-17 04:00")
        for timeframe in ("1h", "1d"):
            fill(connection, "BTC", "2023-11-01", "2023-12-01", timeframe=timeframe)
        connection.execute("UPDATE market_data SET high = 1000 WHERE timeframe = '1h' AND timestamp = %s", (WRONG,))
        measure(connection)
        connection.execute("SELECT touch_fingerprints('BTC', '1h', '2023-11-01', '2023-12-01')")
        yield connection


@pytest.fixture
def order(conn: psycopg.Connection, market_dsn: str) -> Iterator[psycopg.Connection]:
    """A transaction that has put 2023 in order, a moment before it commits."""
    with psycopg.connect(market_dsn) as ordering:
        ordering.execute("SELECT order_market_data_partition('1h', '2023-01-01 00:00+00')")
        yield ordering


def measure(conn: psycopg.Connection) -> QualityReport:
    clock = at("2024-06-01")
    return measuring.measure(conn, [("BTC", "1h"), ("BTC", "1d")], NOVEMBER, clock)


def test_a_measurement_that_waits_for_the_order_of_a_year_finds_what_it_found(
    conn: psycopg.Connection, order: psycopg.Connection
) -> None:
    found = "SELECT check_name, timestamp FROM data_anomaly WHERE severity = 'fail'"
    before = conn.execute(found.encode()).fetchall()
    (report,) = while_it_commits(order, [partial(measure, conn)])

    assert before == [("candle_differs_from_its_parts", at("2023-11-05"))]
    assert conn.execute(found.encode()).fetchall() == before
    assert isinstance(report, QualityReport)
    assert sum(one.findings for one in report.checks if one.severity == "fail") == 1
    assert conn.execute("SELECT count(*), sum(candles) FROM candle_day").fetchone() == (30, 720)
    assert [(month["missing_records"], month["has_anomalies"]) for month in months(conn, "BTC")] == [(0, True)]
    assert gaps(conn, "BTC") == []


def test_a_digest_that_waits_for_the_order_of_a_year_is_that_of_its_candles(
    conn: psycopg.Connection, order: psycopg.Connection, market_dsn: str
) -> None:
    (refreshed,) = while_it_commits(order, [partial(run_sql, market_dsn, "SELECT refresh_fingerprints()")])

    kept = conn.execute("SELECT candles, digest FROM series_fingerprint WHERE timeframe = '1h'").fetchone()
    made = conn.execute("SELECT * FROM candle_digest('BTC', '1h', %s, %s)", (NOVEMBER.start, NOVEMBER.end)).fetchone()
    assert refreshed == (1,)
    assert kept == made
    assert kept is not None
    assert kept[0] == 720
