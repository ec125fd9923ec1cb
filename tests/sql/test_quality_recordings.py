"""The quality of real candles: the hours that no pair has, all explained, and no false alarm."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from include.klines.quality import measuring
from tests.sql.measured import at, gaps, measure_all, months, refresh_range, window
from tests.sql.stored import list_symbol, recording, store

if TYPE_CHECKING:
    import psycopg

SPAN = window("2020-01-01", "2022-10-10")
CLOCK = at("2022-10-20 02:00")
HOLES = [
    ("2020-02-09 02:00", "2020-02-09 03:00"),
    ("2020-02-19 12:00", "2020-02-19 17:00"),
    ("2020-03-04 10:00", "2020-03-04 11:00"),
    ("2020-04-25 02:00", "2020-04-25 04:00"),
    ("2020-06-28 02:00", "2020-06-28 05:00"),
    ("2020-11-30 06:00", "2020-11-30 07:00"),
    ("2020-12-21 14:00", "2020-12-21 18:00"),
    ("2020-12-25 02:00", "2020-12-25 03:00"),
    ("2021-02-11 04:00", "2021-02-11 05:00"),
    ("2021-03-06 02:00", "2021-03-06 03:00"),
    ("2021-04-20 02:00", "2021-04-20 04:00"),
    ("2021-04-25 05:00", "2021-04-25 08:00"),
    ("2021-08-13 02:00", "2021-08-13 06:00"),
    ("2021-09-29 07:00", "2021-09-29 09:00"),
]
LISTED = {
    "BTC": "2017-08-17 04:00", "ETH": "2017-08-17 04:00", "DOGE": "2019-07-05 12:00", "MATIC": "2019-04-26 15:00",
    "SOL": "2020-08-11 06:00", "AVAX": "2020-09-22 06:00",
}  # fmt: skip


def load(conn: psycopg.Connection, *symbols: str, timeframes: tuple[str, ...] = ("1h", "1d")) -> None:
    """The recordings, each gap confirmed empty by REST as the ladder would."""
    for symbol in symbols:
        list_symbol(conn, symbol, LISTED[symbol])
        for timeframe in timeframes:
            candles = recording(f"{symbol}USDT-{timeframe}.csv.gz")
            store(conn, symbol, timeframe, candles[candles.index < SPAN.end])
    refresh_range(conn)
    series = [(symbol, timeframe) for symbol in symbols for timeframe in timeframes]
    measuring.record_gaps(conn, series, SPAN, CLOCK)
    for symbol, timeframe in series:
        measuring.record_empty(conn, symbol, timeframe, [SPAN], "rest", CLOCK.date())


def test_bitcoin_and_ether_have_exactly_the_known_holes(market_conn: psycopg.Connection) -> None:
    load(market_conn, "BTC", "ETH")
    report = measure_all(market_conn, SPAN, CLOCK)
    assert gaps(market_conn, "BTC") == gaps(market_conn, "ETH") == HOLES
    assert gaps(market_conn, "BTC", timeframe="1d") == []
    assert report.gaps == {"exchange_outage": 28}
    assert (report.missing, report.unfillable, report.adjusted_completeness) == (62, 62, 100)
    outages = market_conn.execute("SELECT starts_at, ends_at FROM exchange_outage ORDER BY 1").fetchall()
    assert outages == [(at(start), at(end)) for start, end in HOLES]


def test_pairs_listed_later_agree_and_nothing_fails(market_conn: psycopg.Connection) -> None:
    load(market_conn, *LISTED)
    report = measure_all(market_conn, SPAN, CLOCK)
    assert set(report.gaps) == {"exchange_outage"}
    assert report.adjusted_completeness == 100
    assert [check for check in report.checks if check.severity == "fail" and check.findings] == []
    assert [check for check in report.checks if check.findings] == []
    assert not any(month["has_gaps"] or month["has_anomalies"] for month in months(market_conn, "SOL"))


def test_measuring_in_steps_gives_what_measuring_at_once_gives(market_conn: psycopg.Connection) -> None:
    load(market_conn, "BTC", "SOL", timeframes=("1h",))
    at_once = measure_all(market_conn, SPAN, CLOCK)
    rows = [months(market_conn, symbol) for symbol in ("BTC", "SOL")]
    market_conn.execute("DELETE FROM data_quality")
    market_conn.execute("DELETE FROM exchange_outage")
    for part in (window("2020-01-01", "2021-04-20"), window("2021-04-20", "2022-10-10")):
        measure_all(market_conn, part, CLOCK)
    assert rows == [months(market_conn, symbol) for symbol in ("BTC", "SOL")]
    again = measure_all(market_conn, SPAN, CLOCK)
    assert dataclasses.replace(again, outages_found=at_once.outages_found) == at_once


def test_the_hole_of_luna_lies_between_its_listings(market_conn: psycopg.Connection) -> None:
    list_symbol(market_conn, "LUNA", "2021-04-04 21:00", "2022-05-13 01:00")
    list_symbol(market_conn, "LUNA", "2022-05-31 06:00", number=2)
    store(market_conn, "LUNA", "1h", recording("LUNAUSDT-1h.csv.gz"))
    refresh_range(market_conn)
    span = window("2021-04-04 21:00", "2023-12-30")
    report = measure_all(market_conn, span, at("2024-02-01"))
    assert gaps(market_conn, "LUNA") == [*HOLES[10:], ("2023-03-24 13:00", "2023-03-24 14:00")]
    assert [check for check in report.checks if check.severity == "fail" and check.findings] == []
    may = next(row for row in months(market_conn, "LUNA") if row["date_range_start"] == at("2022-05-01"))
    assert may["expected_records"] == may["actual_records"] == 289 + 18


@pytest.mark.parametrize("symbols", [("BTC", "ETH")])
def test_lanes_after_the_second_know_every_hole(market_conn: psycopg.Connection, symbols: tuple[str, ...]) -> None:
    load(market_conn, *symbols, timeframes=("1h",))
    assert measuring.witnessed_holes(market_conn, "1h", SPAN) == [window(*hole) for hole in HOLES]
