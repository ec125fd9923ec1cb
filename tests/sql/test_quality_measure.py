"""Completeness by month and for rolling ranges: what is expected, what is counted, what is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from include.klines.quality import measuring
from tests.sql.measured import at, confirm, fill, measure_all, months, remove, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    import psycopg

    from include.klines.windows import Window

CLOCK = at("2024-06-01 02:00")


@pytest.fixture
def conn(market_conn: psycopg.Connection) -> psycopg.Connection:
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    return market_conn


def measure(conn: psycopg.Connection, span: Window, clock: str = "2024-06-01 02:00") -> measuring.QualityReport:
    return measure_all(conn, span, at(clock))


def figures(conn: psycopg.Connection, symbol: str = "BTC", **more: str) -> list[tuple[str, int, int]]:
    rows = months(conn, symbol, **more)
    return [(f"{row['date_range_start']:%m-%d}", row["expected_records"], row["actual_records"]) for row in rows]


def test_each_month_has_its_row(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-04-01", without=[("2024-02-10", "2024-02-11")])
    report = measure(conn, window("2024-01-01", "2024-04-01"))
    assert figures(conn) == [("01-01", 744, 744), ("02-01", 696, 672), ("03-01", 744, 744)]
    february = months(conn, "BTC")[1]
    assert february["missing_records"] == 24
    assert february["completeness_percentage"] == pytest.approx(100 * 672 / 696)
    assert [row["has_gaps"] for row in months(conn, "BTC")] == [False, True, False]
    assert (report.series, report.months, report.expected, report.missing) == (1, 3, 2184, 24)
    assert report.gaps == {"open": 1}
    assert report.to_json()["completeness"] == pytest.approx(100 * 2160 / 2184)


def test_a_series_is_expected_from_listing_to_delisting(conn: psycopg.Connection) -> None:
    list_symbol(conn, "FTM", "2024-02-10 06:00", "2024-03-05 03:30")
    fill(conn, "FTM", "2024-02-10 06:00", "2024-03-05 04:00")
    fill(conn, "FTM", "2024-02-10", "2024-03-06", timeframe="1d")
    measure(conn, window("2024-01-01", "2024-05-01"))
    assert figures(conn, "FTM") == [("02-01", 474, 474), ("03-01", 100, 100)]
    assert figures(conn, "FTM", timeframe="1d") == [("02-01", 20, 20), ("03-01", 5, 5)]


def test_the_listings_of_a_reused_ticker_are_summed(conn: psycopg.Connection) -> None:
    list_symbol(conn, "LUNA", "2024-01-01", "2024-01-13 01:00")
    list_symbol(conn, "LUNA", "2024-01-31 06:00", number=2)
    fill(conn, "LUNA", "2024-01-01", "2024-02-01", without=[("2024-01-13 01:00", "2024-01-31 06:00")])
    measure(conn, window("2024-01-01", "2024-02-01"))
    assert figures(conn, "LUNA") == [("01-01", 289 + 18, 289 + 18)]


def test_only_what_was_asked_for_is_expected(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-03-10", "2024-04-20")
    measure(conn, window("2024-03-10", "2024-04-20"))
    assert figures(conn) == [("03-10", 22 * 24, 22 * 24), ("04-01", 19 * 24, 19 * 24)]


def test_a_month_grows_day_by_day_and_backwards(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-05-20")
    measure(conn, window("2024-05-10", "2024-05-13"), "2024-05-13 02:00")
    assert figures(conn) == [("05-10", 72, 72)]
    measure(conn, window("2024-05-12", "2024-05-14"), "2024-05-14 02:00")
    assert figures(conn) == [("05-10", 96, 96)]
    measure(conn, window("2024-05-01", "2024-05-02"), "2024-05-14 02:00")
    assert figures(conn) == [("05-01", 13 * 24, 13 * 24)]


def test_a_day_that_no_run_asked_for_is_missed_inside_its_month(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-05-20", without=[("2024-05-03", "2024-05-10")])
    measure(conn, window("2024-05-01", "2024-05-03"), "2024-05-03 02:00")
    measure(conn, window("2024-05-10", "2024-05-12"), "2024-05-12 02:00")
    assert figures(conn) == [("05-01", 11 * 24, 4 * 24)]


def test_a_running_month_ends_at_the_last_closed_candle(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-06-01", "2024-06-03 05:00")
    fill(conn, "BTC", "2024-06-01", "2024-06-03", timeframe="1d")
    measure(conn, window("2024-06-01", "2024-07-01"), "2024-06-03 05:59:59")
    assert months(conn, "BTC")[0]["date_range_end"] == at("2024-06-03 05:00")
    assert figures(conn) == [("06-01", 53, 53)]
    assert figures(conn, timeframe="1d") == [("06-01", 2, 2)]


def test_months_outside_of_the_window_are_not_counted_again(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-04-01")
    measure(conn, window("2024-01-01", "2024-04-01"))
    remove(conn, "BTC", "2024-01-10", "2024-01-11")
    measure(conn, window("2024-03-01", "2024-04-01"), "2024-06-02 02:00")
    assert figures(conn)[0] == ("01-01", 744, 744)
    assert [row["checked_at"] == CLOCK for row in months(conn, "BTC")] == [True, True, False]


def test_measuring_twice_changes_nothing(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-04-01", without=[("2024-02-10", "2024-02-11")])
    tables = ("data_quality", "data_gap", "exchange_outage", "data_anomaly", "historical_data_range")
    once, twice = (
        (
            measure(conn, window("2024-01-01", "2024-04-01")),
            [
                conn.execute(sql.SQL("SELECT * FROM {} ORDER BY 1, 2, 3, 4").format(sql.Identifier(table))).fetchall()
                for table in tables
            ],
        )
        for _ in range(2)
    )
    assert once == twice


def test_rolling_ranges_end_with_the_last_closed_day(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2023-01-01", "2024-06-01", without=[("2024-05-10", "2024-05-11"), ("2023-08-10", "2023-08-12")])
    measure(conn, window("2023-01-01", "2024-06-01"))
    assert figures(conn, period="30d") == [("05-02", 720, 696)]
    assert figures(conn, period="90d") == [("03-03", 2160, 2136)]
    assert figures(conn, period="365d") == [("06-02", 8760, 8760 - 72)]
    assert months(conn, "BTC", period="30d")[0]["date_range_end"] == at("2024-06-01")


def test_only_the_newest_rolling_range_is_kept(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-06-02")
    measure(conn, window("2024-01-01", "2024-06-01"))
    measure(conn, window("2024-05-30", "2024-06-02"), "2024-06-02 02:00")
    assert figures(conn, period="30d") == [("05-03", 720, 720)]


def test_a_range_nobody_asked_for_has_no_rolling_row(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-02-01")
    measure(conn, window("2024-01-01", "2024-02-01"))
    assert [len(months(conn, "BTC", period=period)) for period in ("30d", "90d", "365d")] == [0, 0, 1]


def test_what_was_asked_for_and_never_came_is_missing(conn: psycopg.Connection) -> None:
    measuring.measure(conn, [("BTC", "1h")], window("2024-01-01", "2024-02-01"), CLOCK)
    assert figures(conn) == [("01-01", 744, 0)]
    measure(conn, window("2024-01-01", "2024-02-01"), "2024-06-02 02:00")
    assert figures(conn) == [("01-01", 744, 0)]


def test_a_pair_whose_listing_is_unknown_counts_from_its_first_candle(conn: psycopg.Connection) -> None:
    fill(conn, "NEW", "2024-05-11 03:00", "2024-05-20")
    measure(conn, window("2024-05-01", "2024-05-20"))
    assert figures(conn, "NEW") == [("05-01", 213, 213)]


def test_a_pair_with_neither_listing_nor_candles_is_left_out(conn: psycopg.Connection) -> None:
    span = window("2024-05-01", "2024-05-20")
    assert measuring.measure(conn, [("NONE", "1h")], span, CLOCK).series == 0
    assert measuring.coverage(conn, [("NONE", "1h")], span) == []


def test_a_month_that_turns_out_to_be_before_the_listing_is_dropped(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-03-01", without=[("2024-01-01", "2024-02-05")])
    measure(conn, window("2024-01-01", "2024-03-01"))
    conn.execute("UPDATE symbol_listing SET listed_at = '2024-02-05 00:00+00'")
    measure(conn, window("2024-01-01", "2024-03-01"))
    assert figures(conn) == [("02-01", 25 * 24, 25 * 24)]
    assert conn.execute("SELECT count(*) FROM data_gap WHERE resolved_at IS NULL").fetchone() == (0,)


def test_candles_outside_of_the_listing_do_not_make_up_for_missing_ones(conn: psycopg.Connection) -> None:
    list_symbol(conn, "ETH", "2024-01-10")
    fill(conn, "ETH", "2024-01-01", "2024-02-01", without=[("2024-01-20", "2024-01-21")])
    measure(conn, window("2024-01-01", "2024-02-01"))
    assert figures(conn, "ETH") == [("01-01", 22 * 24, 21 * 24)]


def test_what_retention_took_is_explained(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-03-01")
    measure(conn, window("2024-01-01", "2024-03-01"))
    remove(conn, "BTC", "2024-01-01", "2024-02-01")
    conn.execute(
        "INSERT INTO data_gap (symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked)"
        " VALUES ('BTC', '1h', '2024-01-01 00:00+00', '2024-02-01 00:00+00', 744, 'pruned', now(), now())"
    )
    measure(conn, window("2024-01-01", "2024-03-01"))
    january = months(conn, "BTC")[0]
    assert (january["unfillable_records"], january["adjusted_completeness_percentage"]) == (744, 100)
    assert not january["has_gaps"]


def test_a_series_is_complete_once_its_holes_are_explained(conn: psycopg.Connection) -> None:
    hole = ("2024-01-10", "2024-01-10 04:00")
    list_symbol(conn, "ETH", "2017-08-17 04:00")
    for symbol in ("BTC", "ETH"):
        fill(conn, symbol, "2024-01-01", "2024-02-01", without=[hole])
    measure(conn, window("2024-01-01", "2024-02-01"))
    assert conn.execute("SELECT bool_or(is_complete) FROM historical_data_range").fetchone() == (False,)
    for symbol in ("BTC", "ETH"):
        confirm(conn, symbol, hole)
    measure(conn, window("2024-01-01", "2024-02-01"))
    assert conn.execute("SELECT bool_and(is_complete) FROM historical_data_range").fetchone() == (True,)


def test_coverage_counts_the_window_and_nothing_else(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-03-01", without=[("2024-01-31 12:00", "2024-02-01 12:00")])
    measure(conn, window("2024-01-01", "2024-03-01"))
    (row,) = measuring.coverage(conn, [("BTC", "1h")], window("2024-01-15", "2024-02-01"))
    assert (row.symbol, row.timeframe, row.rows, row.expected) == ("BTC", "1h", 17 * 24 - 12, 17 * 24)
    assert (row.first, row.last) == (at("2024-01-15"), at("2024-01-31 11:00"))
    assert (row.gaps, row.missing, row.unfillable) == ({"open": 1}, {"open": 12}, 0)
    assert row.completeness == row.adjusted_completeness == pytest.approx(100 * 396 / 408)


def test_coverage_expects_only_closed_candles_where_the_clock_is_given(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-01-01", "2024-01-10 05:00")
    month = window("2024-01-01", "2024-02-01")
    (row,) = measuring.coverage(conn, [("BTC", "1h")], month, clock=at("2024-01-10 05:30"))
    assert (row.rows, row.expected) == (221, 221)
