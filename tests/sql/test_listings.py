from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from binance_plugin.errors import GeoBlocked, MalformedAnswer
from binance_plugin.hook import BinanceHook
from include.klines.errors import InvalidRequest, LoadError
from include.klines.universe.config import load_universe
from include.klines.universe.listings import SyncReport, sync_universe
from include.klines.universe.selection import Listing, fetch_listings, listing_windows, select_symbols

if TYPE_CHECKING:
    from tests.exchange import Exchange


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hook_at(exchange: Exchange, **settings: Any) -> BinanceHook:
    return BinanceHook.from_url(exchange.url, request_interval=0.0, burst_pause=0.0, sleep=lambda _: None, **settings)


def sync(exchange: Exchange, conn: psycopg.Connection, **options: Any) -> SyncReport:
    return sync_universe(hook_at(exchange), conn, **options)


def rows_of(conn: psycopg.Connection, symbol: str) -> list[Listing]:
    with conn.transaction():
        return [row for row in fetch_listings(conn) if row.symbol == symbol]


def windows_of(conn: psycopg.Connection, symbol: str) -> list[tuple[datetime, datetime | None]]:
    return listing_windows(rows_of(conn, symbol), symbol)


def show(exchange: Exchange, **statuses: str) -> None:
    """Let exchangeInfo show these statuses, and no other pair that the simulated exchange would."""
    exchange.clear_faults()
    lines = [
        {
            "symbol": f"{base}USDT",
            "baseAsset": base,
            "quoteAsset": "USDT",
            "status": status,
            "isSpotTradingAllowed": True,
        }
        for base, status in statuses.items()
    ]
    exchange.fault("status", status=200, kind="exchangeInfo", body=json.dumps({"symbols": lines}))


def test_a_named_pair_is_dated_to_the_minute(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, symbols=["BTC", "matic"])
    assert windows_of(market_conn, "BTC") == [(utc("2017-08-17 04:00"), None)]
    assert windows_of(market_conn, "MATIC") == [(utc("2019-04-26 15:00"), utc("2024-09-10 03:00"))]
    assert report.undated == ()


def test_a_rename_is_stored_with_its_ratio(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    sync(exchange, market_conn, symbols=["MKR"])
    (row,) = rows_of(market_conn, "MKR")
    assert (row.successor, row.successor_ratio, row.status) == ("SKY", Decimal(24000), "BREAK")
    assert row.delisted_at == utc("2025-09-15 03:00")


def test_every_pair_gets_a_row_and_only_those_asked_for_get_dates(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    report = sync(exchange, market_conn, symbols=["BTC"])
    with market_conn.transaction():
        rows = fetch_listings(market_conn)
    assert len(rows) == report.pairs > 40
    assert [row.symbol for row in rows if row.listed_at] == ["BTC"]
    assert {row.symbol: row.excluded_by for row in rows if row.tier == "excluded"} == {
        "BTCUP": "leveraged_token",
        "BTCDOWN": "leveraged_token",
        "ETHDOWN": "leveraged_token",
        "USDC": "stablecoin",
        "FDUSD": "stablecoin",
        "TUSD": "stablecoin",
    }


def test_the_core_costs_few_requests_and_the_second_time_none_for_dates(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    first = sync(exchange, market_conn, tier="core")
    exchange.forget_requests()
    second = sync(exchange, market_conn, tier="core")
    assert first.requests <= 170
    assert exchange.count(kind="klines") == 0
    assert second.requests <= 3
    assert (first.listed != (), second.listed) == (True, ())


def test_the_core_is_dated_as_the_exchange_lists_it(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, tier="core")
    with market_conn.transaction():
        listings = fetch_listings(market_conn)
    assert report.undated == report.absent == ()
    found = {symbol: listing_windows(listings, symbol)[0][0] for symbol in ("ETH", "ARB", "POL", "S", "ICP")}
    assert found == {
        "ETH": utc("2017-08-17 04:00"),
        "ARB": utc("2023-03-23 15:00"),
        "POL": utc("2024-09-13 10:00"),
        "S": utc("2025-01-16 08:00"),
        "ICP": utc("2021-05-11 01:00"),
    }


def test_a_second_sync_changes_nothing_but_its_time(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    select = (
        "SELECT (to_jsonb(listing) - 'synced_at')::text FROM symbol_listing AS listing ORDER BY symbol, listing_number"
    )
    later = utc("2026-01-15 01:00")
    sync(exchange, market_conn, tier="all")
    with market_conn.transaction():
        before = market_conn.execute(select).fetchall()
    sync(exchange, market_conn, tier="all", clock=lambda: later)
    with market_conn.transaction():
        after = market_conn.execute(select).fetchall()
        times = market_conn.execute("SELECT DISTINCT synced_at FROM symbol_listing").fetchall()
    assert before == after
    assert times == [(later,)]


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


def test_a_suspended_pair_stays_one_listing(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, symbols=["FTT", "CVC"])
    assert windows_of(market_conn, "FTT") == [(utc("2019-12-20 10:00"), None)]
    assert windows_of(market_conn, "CVC") == [(utc("2019-10-10 10:00"), None)]
    assert not [finding for finding in report.unclassified if finding.symbol in {"FTTUSDT", "CVCUSDT"}]


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


def test_odd_entries_of_exchange_info_are_reported_and_loaded_all_the_same(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    report = sync(exchange, market_conn, symbols=["ZAMA", "OLDX", "币安人生"])
    assert {finding.symbol for finding in report.unclassified} == {"ZAMAUSDT", "OLDXUSDT"}
    assert windows_of(market_conn, "ZAMA") == [(utc("2025-12-02 12:00"), None)]
    assert windows_of(market_conn, "币安人生") == [(utc("2026-01-07 12:00"), None)]


def test_an_unknown_symbol_is_refused_with_near_names_before_anything_is_stored(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    with pytest.raises(InvalidRequest, match=r"MATIK \(did you mean MATIC\?\)"):
        sync(exchange, market_conn, symbols=["BTC", "MATIK"])
    with market_conn.transaction():
        assert fetch_listings(market_conn) == []


def test_an_excluded_symbol_is_refused_with_its_rule(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    with pytest.raises(InvalidRequest, match="USDC is left out by the rule stablecoin"):
        sync(exchange, market_conn, symbols=["USDC"])


def test_an_unreachable_archive_listing_is_told_and_does_not_stop_the_sync(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    sync(exchange, market_conn, symbols=["BTC"])
    exchange.fault("status", status=503, kind="listing")
    report = sync_universe(hook_at(exchange, retries=0), market_conn, symbols=["BTC"])
    assert report.archive_error is not None
    assert "the archive could not be listed" in report.summary()
    assert [row.status for row in rows_of(market_conn, "VEN")] == ["DELISTED"]


def test_a_pair_that_nobody_names_any_more_is_reported_and_left_as_it_was(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    show(exchange, BTC="TRADING", GONE="TRADING")
    sync(exchange, market_conn, symbols=["BTC"])
    before = rows_of(market_conn, "GONE")
    show(exchange, BTC="TRADING")
    report = sync(exchange, market_conn, symbols=["BTC"])
    assert [finding.symbol for finding in report.unclassified] == ["GONEUSDT"]
    assert rows_of(market_conn, "GONE") == before


def test_an_empty_exchange_info_stores_nothing(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    show(exchange)
    with pytest.raises(LoadError, match="names no USDT pair"):
        sync(exchange, market_conn)


def test_a_malformed_pair_is_reported_and_the_others_go_on(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    exchange.fault("malformed", kind="klines", symbol="ETHUSDT")
    report = sync(exchange, market_conn, symbols=["ETH", "BTC"])
    assert report.undated == ("ETH",)
    assert "ETHUSDT" in [finding.symbol for finding in report.unclassified]
    assert windows_of(market_conn, "BTC") != []


def test_an_exchange_that_only_talks_nonsense_fails_the_sync(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.fault("malformed", kind="klines")
    with pytest.raises(MalformedAnswer):
        sync(exchange, market_conn, tier="core")
    assert exchange.count(kind="klines") < 40


def test_what_was_found_before_the_exchange_shut_its_door_is_kept(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    exchange.fault("geo", kind="klines", after=20)
    with pytest.raises(GeoBlocked):
        sync(exchange, market_conn, tier="core")
    with market_conn.transaction():
        dated = [row.symbol for row in fetch_listings(market_conn) if row.listed_at]
    assert {"BTC", "ETH"} <= set(dated) < set(load_universe().core)
    exchange.clear_faults()
    exchange.forget_requests()
    sync(exchange, market_conn, tier="core")
    assert exchange.count(kind="klines", symbol="BTCUSDT") == 0


def test_two_syncs_at_once_wait_for_each_other(exchange: Exchange, market_dsn: str) -> None:
    reports: list[SyncReport] = []

    def run() -> None:
        with psycopg.connect(market_dsn) as conn:
            reports.append(sync(exchange, conn, symbols=["BTC", "LUNA"]))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.reused for report in reports) == [(), ("LUNA",)]
    with psycopg.connect(market_dsn) as conn:
        assert [row.listing_number for row in fetch_listings(conn) if row.symbol == "LUNA"] == [1, 2]


def test_a_connection_inside_a_transaction_is_refused(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    market_conn.execute("SELECT 1")
    with pytest.raises(LoadError, match="outside a transaction"):
        sync(exchange, market_conn, symbols=["BTC"])


def test_a_failed_sync_lets_the_next_one_in(exchange: Exchange, market_dsn: str) -> None:
    with psycopg.connect(market_dsn) as first, psycopg.connect(market_dsn) as second:
        with pytest.raises(InvalidRequest):
            sync(exchange, first, symbols=["NOSUCHCOIN"])
        assert sync(exchange, second, symbols=["BTC"]).undated == ()


def test_a_limit_inside_the_core_asks_for_those_pairs_only(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    sync(exchange, market_conn, tier="all", limit=2)
    with market_conn.transaction():
        listings = fetch_listings(market_conn)
    assert {row.symbol for row in listings if row.listed_at} == {"BTC", "ETH"}
    assert select_symbols(listings, tier="all", limit=2) == ["BTC", "ETH"]


def test_a_run_takes_the_core_in_order_then_trading_pairs_by_age_then_ended_ones(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    sync(exchange, market_conn, tier="all")
    with market_conn.transaction():
        listings = fetch_listings(market_conn)
    chosen = select_symbols(listings, tier="all")
    assert chosen[:10] == ["BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "TRX", "LINK", "DOT"]
    assert chosen[33:37] == ["CVC", "FTT", "OLDX", "QUIET"]
    assert chosen[-4:] == ["VEN", "BTT", "NPXS", "ZAMA"]
    assert select_symbols(listings, symbols=["ethusdt", "btc"]) == ["ETH", "BTC"]
    assert "MATIC" not in select_symbols(listings, active_only=True)
    with pytest.raises(InvalidRequest, match="tier 'gold' is not known"):
        select_symbols(listings, tier="gold")
    with pytest.raises(InvalidRequest, match="limit is 0"):
        select_symbols(listings, limit=0)
    with pytest.raises(InvalidRequest, match="rule leveraged_token"):
        select_symbols(listings, symbols=["BTCUP"])


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
