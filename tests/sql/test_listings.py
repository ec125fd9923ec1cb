from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from include.klines.errors import InvalidRequest, LoadError
from include.klines.universe.listings import SyncReport, sync_universe
from include.klines.universe.selection import fetch_listings, select_symbols
from tests.sql.listed import client_at, rows_of, show, sync, utc, windows_of

if TYPE_CHECKING:
    from tests.exchange import Exchange


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
    report = sync_universe(client_at(exchange, retries=0), market_conn, symbols=["BTC"])
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
    with pytest.raises(InvalidRequest, match="tier 'gold' is not known"):
        select_symbols(listings, tier="gold")
    with pytest.raises(InvalidRequest, match="limit is 0"):
        select_symbols(listings, limit=0)
    with pytest.raises(InvalidRequest, match="rule leveraged_token"):
        select_symbols(listings, symbols=["BTCUP"])
