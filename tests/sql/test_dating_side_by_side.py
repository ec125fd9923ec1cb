"""Pairs are dated by a few workers: with few requests, each at its own pace, and as if one after the other."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import psycopg
import pytest

from binance_plugin.budget import WeightBudget
from binance_plugin.client import BinanceClient
from binance_plugin.errors import Banned, BinanceError, GeoBlocked, MalformedAnswer
from include.klines.universe.config import load_universe
from include.klines.universe.listings import sync_universe
from include.klines.universe.selection import Listing, fetch_listings
from include.klines.universe.side_by_side import WORKERS
from tests.sql.listed import client_at, refuse_weeks, sync

if TYPE_CHECKING:
    from tests.exchange import Exchange

CORE = load_universe().core
ENDED = {"MATIC", "FTM", "MKR"}
MIXED = ["BTC", "LUNA", "ETH", "MATIC", "NPXS", "FTT", "SOL", "VEN", "CVC", "ZAMA", "S", "QUIET"]
"""Pairs that trade, have ended, were purged, suspended, reused, or have no candles."""


def all_rows(conn: psycopg.Connection) -> list[Listing]:
    with conn.transaction():
        return fetch_listings(conn)


def dated(conn: psycopg.Connection) -> set[str]:
    return {row.symbol for row in all_rows(conn) if row.listed_at}


def test_a_trading_pair_costs_two_requests_and_an_ended_one_three(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    sync(exchange, market_conn, tier="core")
    asked = Counter(request["symbol"].removesuffix("USDT") for request in exchange.requests(kind="klines"))
    assert asked == {symbol: 3 if symbol in ENDED else 2 for symbol in CORE}
    assert exchange.count(kind="klines", interval="1w") == len(CORE)


def test_the_second_time_nothing_is_asked_for_dates(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    first = sync(exchange, market_conn, tier="core")
    exchange.forget_requests()
    second = sync(exchange, market_conn, tier="core")
    assert exchange.count(kind="klines") == 0
    assert second.requests <= 3
    assert (first.listed != (), second.listed) == (True, ())


def test_every_rest_request_is_counted_and_paid_for_from_the_shared_budget(
    exchange: Exchange, market_dsn: str, market_conn: psycopg.Connection
) -> None:
    budget = WeightBudget(lambda: psycopg.connect(market_dsn, autocommit=True), exchange.url)
    report = sync_universe(client_at(exchange, budget=budget), market_conn, tier="core")
    budget.close()
    sent = [request["weight"] for request in exchange.requests() if request["kind"] != "listing"]
    with market_conn.transaction():
        spent = market_conn.execute("SELECT sum(weight) FROM exchange_budget, unnest(spent) AS weight").fetchone()
    assert report.requests == len(sent)
    assert spent == (sum(sent),)


def test_together_the_same_is_found_as_one_after_the_other(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    report = sync(exchange, market_conn, symbols=MIXED)
    together = all_rows(market_conn)
    with market_conn.transaction():
        market_conn.execute("TRUNCATE symbol_listing")
    alone = [sync(exchange, market_conn, symbols=[symbol]) for symbol in MIXED]
    assert all_rows(market_conn) == together
    assert set(report.unclassified) == {finding for one in alone for finding in one.unclassified}
    assert set(report.reused) == {symbol for one in alone for symbol in one.reused}
    assert set(report.undated) == {symbol for one in alone for symbol in one.undated}


def test_an_exchange_without_weeks_gives_the_same_dates_for_more_requests(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    sync(exchange, market_conn, tier="core")
    by_weeks = all_rows(market_conn)
    with market_conn.transaction():
        market_conn.execute("TRUNCATE symbol_listing")
    refuse_weeks(exchange)
    exchange.forget_requests()
    sync(exchange, market_conn, tier="core")
    assert all_rows(market_conn) == by_weeks
    assert exchange.count(kind="klines", interval="1w") <= WORKERS
    assert exchange.count(kind="klines", interval="1d") > len(CORE)


def test_each_worker_keeps_the_pace_of_a_client(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    waits: dict[int, list[float]] = defaultdict(list)
    client = BinanceClient.from_url(
        exchange.url,
        sleep=lambda seconds: waits[threading.get_ident()].append(seconds),
        request_interval=60.0,
        burst_size=3,
        burst_pause=600.0,
    )
    sync_universe(client, market_conn, tier="core")
    main = waits.pop(threading.get_ident())
    workers = list(waits.values())
    assert len(main) == 1, "the clock, then exchangeInfo"
    assert 2 <= len(workers) <= WORKERS
    assert sum(len(worker) + 1 for worker in workers) == exchange.count(kind="klines")
    for worker in workers:
        assert [wait > 60.0 for wait in worker] == [number % 3 == 0 for number in range(1, len(worker) + 1)]


def test_one_pair_alone_is_dated_without_a_thread(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    sync(exchange, market_conn, symbols=["BTC"])
    waits: dict[int, int] = Counter()

    def note(seconds: float) -> None:
        waits[threading.get_ident()] += 1

    client = BinanceClient.from_url(exchange.url, sleep=note, request_interval=60.0)
    report = sync_universe(client, market_conn, symbols=["BTC", "ETH"])
    assert exchange.count(kind="klines", symbol="ETHUSDT") == 2
    assert list(waits) == [threading.get_ident()]
    assert report.undated == ()


@pytest.mark.parametrize(
    ("fault", "status", "error"), [({"action": "geo"}, 451, GeoBlocked), ({"action": "ban"}, 418, Banned)]
)
def test_a_shut_door_stops_every_worker_and_what_was_found_is_kept(
    exchange: Exchange, market_conn: psycopg.Connection, fault: dict[str, str], status: int, error: type[BinanceError]
) -> None:
    exchange.fault(kind="klines", after=20, **fault)
    with pytest.raises(error):
        sync(exchange, market_conn, tier="core")
    assert 1 <= exchange.count(kind="klines", status=status) <= WORKERS, "those on their way, and none after them"
    answered = {request["symbol"].removesuffix("USDT") for request in exchange.requests(interval="1w", status=200)}
    assert dated(market_conn) == answered
    assert len(answered) >= 20 // 2 - WORKERS
    exchange.clear_faults()
    exchange.forget_requests()
    sync(exchange, market_conn, tier="core")
    assert dated(market_conn) >= set(CORE)
    assert not answered & {request["symbol"].removesuffix("USDT") for request in exchange.requests(kind="klines")}


def test_three_pairs_in_a_row_that_cannot_be_asked_for_fail_the_sync(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    for symbol in CORE[2:5]:
        exchange.fault("malformed", kind="klines", symbol=f"{symbol}USDT")
    with pytest.raises(MalformedAnswer, match=f"{CORE[4]}USDT"):
        sync(exchange, market_conn, tier="core")
    assert set(CORE[:2]) <= dated(market_conn) < set(CORE) - set(CORE[2:5])


def test_two_in_a_row_are_reported_in_their_order_whoever_was_first_and_whatever_is_dated_by_then(
    exchange: Exchange, market_conn: psycopg.Connection
) -> None:
    failing = [*CORE[1:3], *CORE[4:6], CORE[8]]
    for symbol in failing[::2]:  # four tries; the others fail at once
        exchange.fault("malformed", kind="klines", symbol=f"{symbol}USDT")
    for symbol in failing[1::2]:
        exchange.fault("status", status=400, kind="klines", symbol=f"{symbol}USDT")
    for _ in range(2):
        report = sync(exchange, market_conn, tier="core")
        assert list(report.undated) == failing
        failures = [finding.symbol for finding in report.unclassified if "could not be found" in finding.reason]
        assert failures == [f"{symbol}USDT" for symbol in failing]
        assert dated(market_conn) == set(CORE) - set(failing)


def test_an_exchange_that_only_talks_nonsense_is_given_up(exchange: Exchange, market_conn: psycopg.Connection) -> None:
    exchange.fault("malformed", kind="klines")
    with pytest.raises(MalformedAnswer):
        sync(exchange, market_conn, tier="core")
    assert exchange.count(kind="klines") < 2 * len(CORE), "tries included"
    assert dated(market_conn) == set()
