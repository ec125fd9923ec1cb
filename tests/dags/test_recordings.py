"""Real recorded Binance candles, replayed through the real Dag: what lands in the database is what was recorded."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.dags.airflow_runs import Airflow

SYMBOLS = ["BTC", "ETH", "SOL", "MATIC", "AVAX", "DOGE"]
HOUR = timedelta(hours=1)
OUTAGES = [  # BINANCE: hours without a candle for any pair, by REST, up to 2022-10
    ("2020-02-09 02:00", 1), ("2020-02-19 12:00", 5), ("2020-03-04 10:00", 1), ("2020-04-25 02:00", 2),
    ("2020-06-28 02:00", 3), ("2020-11-30 06:00", 1), ("2020-12-21 14:00", 4), ("2020-12-25 02:00", 1),
    ("2021-02-11 04:00", 1), ("2021-03-06 02:00", 1), ("2021-04-20 02:00", 2), ("2021-04-25 05:00", 3),
    ("2021-08-13 02:00", 4), ("2021-09-29 07:00", 2),
]  # fmt: skip


def recorded(path: Path) -> dict[datetime, tuple[float, ...]]:
    """Open, high, low, close and volume by open time, as the file has them."""
    with gzip.open(path, "rt") as lines:
        rows = list(csv.reader(lines))[1:]
    return {datetime.fromtimestamp(int(row[0]) / 1000, UTC): tuple(float(value) for value in row[1:6]) for row in rows}


@pytest.fixture(scope="module")
def loaded(airflow: Airflow, postgres_server: Any, market_template: str, recordings: Path) -> Iterator[str]:
    """A database into which the real Dag has loaded all recordings that end in 2022-10, and LUNA."""
    name = postgres_server.create(template=market_template)
    dsn = postgres_server.dsn(name)
    with Exchange(replay=recordings, now="2022-10-11T10:30:00Z") as exchange:
        load = {"market": dsn, "exchange": exchange.url, "end": "2022-10-11"}
        run = airflow.run("klines_initial_load", symbols=SYMBOLS, **load)
        assert run.state == "success", run.log[-4000:]
    with Exchange(replay=recordings) as exchange:
        load = {"market": dsn, "exchange": exchange.url, "timeframes": ["1h"]}
        luna = airflow.run("klines_initial_load", symbols=["LUNA"], start="2021-04-04", end="2023-12-30", **load)
        assert luna.state == "success", luna.log[-4000:]
        bitcoin = airflow.run("klines_initial_load", symbols=["BTC"], start="2024-11-01", end="2025-05-31", **load)
        assert bitcoin.state == "success", bitcoin.log[-4000:]
    yield dsn
    postgres_server.drop(name)


@pytest.fixture
def conn(loaded: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(loaded) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        yield connection


def stored(conn: psycopg.Connection, symbol: str, timeframe: str, end: str) -> dict[datetime, tuple[float, ...]]:
    rows = conn.execute(
        """SELECT timestamp, open, high, low, close, volume FROM market_data
        WHERE symbol = %s AND timeframe = %s AND timestamp < %s::timestamptz""",
        (symbol, timeframe, end),
    )
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("timeframe", ["1h", "1d"])
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_stored_candle_is_the_recorded_one_and_the_unfinished_one_is_not_there(
    conn: psycopg.Connection, recordings: Path, symbol: str, timeframe: str
) -> None:
    expected = recorded(recordings / "klines" / f"{symbol}USDT-{timeframe}.csv.gz")
    unfinished = max(expected)
    del expected[unfinished]
    found = stored(conn, symbol, timeframe, "2023-01-01")
    assert unfinished not in found
    assert found == expected


def test_bitcoin_misses_exactly_the_known_hours_and_each_is_an_outage(conn: psycopg.Connection) -> None:
    gaps = conn.execute(
        """SELECT gap_start, missing_records, cause FROM data_gap
        WHERE symbol = 'BTC' AND timeframe = '1h' AND resolved_at IS NULL AND gap_start < '2022-10-11'
        ORDER BY gap_start"""
    ).fetchall()
    assert [(f"{start:%Y-%m-%d %H:%M}", missing) for start, missing, _ in gaps] == OUTAGES
    assert {cause for *_, cause in gaps} == {"exchange_outage"}


def test_the_reused_ticker_has_two_listings_and_no_gap_between_them(conn: psycopg.Connection) -> None:
    listings = conn.execute(
        "SELECT listing_number, listed_at, delisted_at FROM symbol_listing WHERE symbol = 'LUNA' ORDER BY 1"
    ).fetchall()
    assert [number for number, *_ in listings] == [1, 2]
    assert listings[0][2] <= datetime(2022, 5, 13, 1, tzinfo=UTC)
    assert listings[1][1] == datetime(2022, 5, 31, 6, tzinfo=UTC)
    between = conn.execute(
        "SELECT count(*) FROM data_gap WHERE symbol = 'LUNA' AND gap_start >= '2022-05-13' AND gap_end <= '2022-06-01'"
    ).fetchone()
    assert between == (0,)


def test_luna_is_stored_as_recorded_on_both_sides_of_its_reuse(conn: psycopg.Connection, recordings: Path) -> None:
    expected = recorded(recordings / "klines" / "LUNAUSDT-1h.csv.gz")
    found = stored(conn, "LUNA", "1h", "2024-01-01")
    assert found == expected


def test_the_archive_files_load_across_the_switch_to_microseconds(conn: psycopg.Connection, recordings: Path) -> None:
    rows = conn.execute(
        """SELECT timestamp, open, high, low, close, volume, quote_volume, trades, taker_buy_volume,
        taker_buy_quote_volume FROM market_data
        WHERE symbol = 'BTC' AND timeframe = '1h' AND timestamp >= '2024-11-01' ORDER BY timestamp"""
    ).fetchall()
    expected = []
    for path in sorted((recordings / "archive_csv").glob("BTCUSDT-1h-*.csv")):
        with path.open() as lines:
            for row in csv.reader(lines):
                scale = 1_000_000 if int(row[0]) >= 10**15 else 1_000
                values = [float(row[at]) for at in (1, 2, 3, 4, 5, 7)]
                opened = datetime.fromtimestamp(int(row[0]) / scale, UTC)
                expected.append((opened, *values, int(row[8]), float(row[9]), float(row[10])))
    assert len(expected) == 5_088
    assert rows == expected


def test_on_real_candles_no_check_of_severity_fail_fires(conn: psycopg.Connection) -> None:
    months = conn.execute("SELECT count(*) FROM data_anomaly WHERE severity = 'fail'").fetchone()
    assert months == (0,)
