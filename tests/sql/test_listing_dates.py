from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from include.klines.universe.config import load_universe
from include.klines.universe.selection import fetch_listings
from tests.sql.listed import refuse_weeks, rows_of, show, sync, utc, windows_of

if TYPE_CHECKING:
    import psycopg

    from tests.exchange import Exchange


def test_a_named_pair_is_dated_to_the_minute(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, symbols=["BTC", "matic"])
    assert windows_of(market_conn, "BTC") == [(utc("2017-08-17 04:00"), None)]
    assert windows_of(market_conn, "MATIC") == [(utc("2019-04-26 15:00"), utc("2024-09-10 03:00"))]
    assert report.undated == ()


def test_the_core_is_dated_as_the_exchange_lists_it(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, tier="core")
    assert report.undated == report.absent == ()
    found = {symbol: windows_of(market_conn, symbol)[0][0] for symbol in ("ETH", "ARB", "POL", "S", "ICP")}
    assert found == {
        "ETH": utc("2017-08-17 04:00"),
        "ARB": utc("2023-03-23 15:00"),
        "POL": utc("2024-09-13 10:00"),
        "S": utc("2025-01-16 08:00"),
        "ICP": utc("2021-05-11 01:00"),
    }


def test_a_pair_that_stops_is_delisted_after_three_days_at_its_last_candle(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    for day, ended in (
        ("2024-09-09", False),
        ("2024-09-11", False),
        ("2024-09-13 02:59", False),
        ("2024-09-13 03:00", True),
    ):
        exchange.set_clock(utc(day))
        report = sync(exchange, market_conn, symbols=["MATIC"])
        assert report.delisted == (("MATIC",) if ended else ())
    assert windows_of(market_conn, "MATIC") == [(utc("2019-04-26 15:00"), utc("2024-09-10 03:00"))]
    assert sync(exchange, market_conn, symbols=["MATIC"]).delisted == ()


def test_a_suspended_pair_stays_one_listing(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, symbols=["FTT", "CVC"])
    assert windows_of(market_conn, "FTT") == [(utc("2019-12-20 10:00"), None)]
    assert windows_of(market_conn, "CVC") == [(utc("2019-10-10 10:00"), None)]
    assert not [finding for finding in report.unclassified if finding.symbol in {"FTTUSDT", "CVCUSDT"}]


def test_a_suspension_longer_than_the_grace_ends_in_the_same_listing(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.set_clock("2023-01-10T00:00:00Z")
    show(exchange, BTC="TRADING", FTT="BREAK")
    assert sync(exchange, market_conn).delisted == ()
    assert windows_of(market_conn, "FTT") == [(utc("2019-12-20 10:00"), utc("2022-11-15 03:00"))]
    exchange.set_clock("2023-09-30T00:00:00Z")
    show(exchange, BTC="TRADING", FTT="TRADING")
    assert sync(exchange, market_conn).relisted == ("FTT",)
    assert windows_of(market_conn, "FTT") == [(utc("2019-12-20 10:00"), None)]


def test_an_exchange_that_stands_still_delists_nothing_and_costs_no_requests(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    symbols = ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "TRX", "LINK", "DOT", "AVAX")
    show(exchange, **dict.fromkeys(symbols, "TRADING"))
    sync(exchange, market_conn)
    show(exchange, **dict.fromkeys(symbols, "HALT"))
    exchange.forget_requests()
    for days in (0, 10):
        report = sync(exchange, market_conn, clock=lambda days=days: utc("2026-01-15 01:00") + timedelta(days=days))
        assert report.halted
        assert report.delisted == ()
        assert "stands still" in report.summary()
    assert exchange.count(kind="klines") == 0
    with market_conn.transaction():
        assert {row.status for row in fetch_listings(market_conn) if row.symbol in symbols} == {"HALT"}


def test_most_pairs_halted_for_a_day_are_not_delisted(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    show(exchange, BTC="TRADING", ETH="HALT", BNB="HALT", SOL="HALT")
    assert sync(exchange, market_conn).delisted == ()
    assert windows_of(market_conn, "ETH") == [(utc("2017-08-17 04:00"), None)]


def test_a_reused_ticker_has_a_listing_for_each_asset(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, symbols=["LUNA"])
    assert windows_of(market_conn, "LUNA") == [
        (utc("2020-08-21 10:00"), utc("2022-05-13 01:00")),
        (utc("2022-05-31 06:00"), None),
    ]
    old, new = rows_of(market_conn, "LUNA")
    assert (old.listing_number, old.status, new.listing_number, new.status) == (1, "DELISTED", 2, "TRADING")
    assert report.reused == ("LUNA",)
    assert sync(exchange, market_conn, symbols=["LUNA"]).reused == ()
    assert [row.listing_number for row in rows_of(market_conn, "LUNA")] == [1, 2]


def test_a_ticker_is_followed_through_its_end_and_its_reuse(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.set_clock("2022-05-10T00:00:00Z")
    sync(exchange, market_conn, symbols=["LUNA"])
    assert windows_of(market_conn, "LUNA") == [(utc("2020-08-21 10:00"), None)]
    exchange.set_clock("2022-05-14T00:00:00Z")
    assert sync(exchange, market_conn, symbols=["LUNA"]).delisted == ()
    exchange.set_clock("2022-05-20T00:00:00Z")
    assert sync(exchange, market_conn, symbols=["LUNA"]).delisted == ("LUNA",)
    assert windows_of(market_conn, "LUNA") == [(utc("2020-08-21 10:00"), utc("2022-05-13 01:00"))]
    exchange.set_clock("2022-06-02T00:00:00Z")
    report = sync(exchange, market_conn, symbols=["LUNA"])
    assert (report.reused, report.relisted) == (("LUNA",), ())
    assert [row.listing_number for row in rows_of(market_conn, "LUNA")] == [1, 2]


def test_a_later_suspension_of_a_reused_ticker_is_no_third_asset(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.set_clock("2022-06-02T00:00:00Z")
    sync(exchange, market_conn, symbols=["LUNA"])
    exchange.set_clock("2023-06-02T00:00:00Z")
    exchange.fault("hide", symbol="LUNAUSDT", start="2023-01-01T00:00:00Z", end="2023-01-09T00:00:00Z")
    assert sync(exchange, market_conn, symbols=["LUNA"]).reused == ()
    assert len(windows_of(market_conn, "LUNA")) == 2


@pytest.mark.parametrize(("high", "pages_of_days"), [("1.4", 0), ("9", 1)])
def test_one_page_of_weeks_tells_whether_days_must_be_searched_for_a_jump(
    exchange: Exchange, market_conn: psycopg.Connection, high: str, pages_of_days: int
) -> None:
    monday = int(utc("2025-01-06").timestamp() * 1000)
    weeks = [[monday + week * 604_800_000, "1", high, "0.9", "1.1", *["0"] * 7] for week in range(50)]
    exchange.fault("status", status=200, kind="klines", interval="1w", body=json.dumps(weeks))
    sync(exchange, market_conn, symbols=["S"])
    assert exchange.count(kind="klines", symbol="SUSDT", interval="1w") == 1
    assert exchange.count(kind="klines", symbol="SUSDT", interval="1d") == pages_of_days


def test_an_exchange_without_weeks_is_asked_for_days(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    refuse_weeks(exchange)
    unaware = replace(load_universe(), reused_tickers=frozenset())
    report = sync(exchange, market_conn, symbols=["LUNA"], universe=unaware)
    assert [finding.symbol for finding in report.unclassified if finding.symbol == "LUNAUSDT"] == ["LUNAUSDT"]
    assert exchange.count(kind="klines", interval="1w") == 1
    assert exchange.count(kind="klines", interval="1d") == 2


def test_a_jump_in_the_very_week_of_the_last_search_is_found_by_the_next_one(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.set_clock("2024-01-06T01:00:00Z")
    sync(exchange, market_conn, symbols=["APT"])
    exchange.change_pair("APTUSDT", delisted="2024-01-04T00:00:00", relisted="2024-01-07T00:00:00", price="900")
    exchange.set_clock("2024-02-10T00:00:00Z")
    report = sync(exchange, market_conn, symbols=["APT"])
    (finding,) = [finding for finding in report.unclassified if finding.symbol == "APTUSDT"]
    assert finding.reason.startswith("no candles from 2024-01-04 to 2024-01-07, price by the factor")


def test_a_long_hole_with_a_jump_is_reported_and_stays_one_listing_until_the_ticker_is_named_as_reused(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    unaware = replace(load_universe(), reused_tickers=frozenset())
    report = sync(exchange, market_conn, symbols=["LUNA"], universe=unaware)
    (finding,) = [finding for finding in report.unclassified if finding.symbol == "LUNAUSDT"]
    assert finding.reason.startswith("no candles from 2022-05-14 to 2022-05-31, price by the factor 0.1")
    assert windows_of(market_conn, "LUNA") == [(utc("2020-08-21 10:00"), None)]
    assert rows_of(market_conn, "LUNA")[0].note == finding.reason
    assert sync(exchange, market_conn, symbols=["LUNA"]).reused == ("LUNA",)
    assert len(windows_of(market_conn, "LUNA")) == 2
    assert not [row.note for row in rows_of(market_conn, "LUNA") if row.note and row.note.startswith("no candles")]


def test_a_ticker_named_as_reused_that_has_no_long_hole_is_reported(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    mistaken = replace(load_universe(), reused_tickers=frozenset({"APT"}))
    report = sync(exchange, market_conn, symbols=["APT"], universe=mistaken)
    assert "APTUSDT" in [finding.symbol for finding in report.unclassified]
    assert len(windows_of(market_conn, "APT")) == 1


def test_a_purged_pair_is_dated_by_the_archive(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, symbols=["NPXS", "VEN"])
    assert windows_of(market_conn, "NPXS") == [(utc("2019-02-11 08:00"), utc("2021-04-05 03:00"))]
    assert windows_of(market_conn, "VEN") == [(utc("2017-12-27 05:00"), utc("2018-07-20 03:00"))]
    assert {row.status for row in rows_of(market_conn, "VEN")} == {"DELISTED"}
    assert report.undated == ()


def test_a_purged_pair_without_daily_files_is_dated_to_the_hour(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.fault("missing", symbol="NPXSUSDT", interval="1m")
    sync(exchange, market_conn, symbols=["NPXS"])
    assert windows_of(market_conn, "NPXS") == [(utc("2019-02-11 08:00"), utc("2021-04-05 03:00"))]


def test_a_purged_pair_whose_files_are_lost_stays_undated_and_is_reported(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.fault("status", status=404, kind="archive", symbol="NPXSUSDT")
    report = sync(exchange, market_conn, symbols=["NPXS"])
    assert report.undated == ("NPXS",)
    assert "NPXSUSDT" in [finding.symbol for finding in report.unclassified]
    assert [row.listed_at for row in rows_of(market_conn, "NPXS")] == [None]


def test_the_recorded_luna_has_two_listings(replayed_exchange: Exchange, market_conn: psycopg.Connection) -> None:
    sync(replayed_exchange, market_conn, symbols=["LUNA"])
    first, second = windows_of(market_conn, "LUNA")
    assert first[1] == utc("2022-05-13 01:00")
    assert second == (utc("2022-05-31 06:00"), None)


def test_recorded_pairs_begin_where_their_recordings_do(
    replayed_exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    report = sync(replayed_exchange, market_conn, symbols=["BTC", "SOL", "AVAX"])
    assert windows_of(market_conn, "BTC") == [(utc("2020-01-01"), None)]
    assert windows_of(market_conn, "SOL") == [(utc("2020-08-11 06:00"), None)]
    assert windows_of(market_conn, "AVAX") == [(utc("2020-09-22 06:00"), None)]
    assert "LINK" in report.absent
