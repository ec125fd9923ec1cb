"""Lanes against the simulated exchange and a real PostgreSQL: the Dag's own code path without Airflow."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from binance_plugin.errors import Banned, GeoBlocked
from include.klines.clock import ExchangeClock
from include.klines.database import prepare
from include.klines.errors import LoadError
from include.klines.load.lanes import plan_lanes
from include.klines.load.loading import LaneLoader
from include.klines.load.planning import load_scope, plan_series
from include.klines.params import validate_load_request
from include.klines.universe.selection import fetch_listings
from tests.load.driver import RUN, client_of, fingerprint, load, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from binance_plugin.archive import ArchiveDownload
    from tests.exchange import Exchange


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.fixture
def conn(market_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(market_dsn) as connection:
        yield prepare(connection)


YEAR = {"symbols": ["BTC", "ETH"], "start": "2020-01-01", "end": "2020-12-31"}


def test_a_year_comes_from_the_archive_with_exactly_the_outages_missing(
    conn: psycopg.Connection, exchange: Exchange
) -> None:
    reports = load(conn, exchange.url, **YEAR)
    assert [report.name for report in reports] == ["BTC, ETH 1d", "BTC, ETH 1h"]
    missing = 17  # REST lacks 18 hours of 2020 for every pair; the archive has one of them, 2020-12-21 14:00
    assert [report.counts.inserted for report in reports] == [2 * 366, 2 * (366 * 24 - missing)]
    assert rows(conn, "SELECT symbol, sum(missing_records) FROM data_gap GROUP BY 1") == [("BTC", 17), ("ETH", 17)]
    assert rows(conn, "SELECT DISTINCT cause FROM data_gap WHERE timeframe = '1h'") == [("exchange_outage",)]
    assert rows(conn, "SELECT min(adjusted_completeness_percentage) FROM data_quality WHERE period = 'month'") == [
        (100.0,)
    ]


def test_a_second_run_transfers_nothing_and_rewrites_nothing(conn: psycopg.Connection, exchange: Exchange) -> None:
    load(conn, exchange.url, **YEAR)
    before = rows(conn, "SELECT tableoid, ctid, xmin, symbol, timestamp FROM market_data ORDER BY 1, 2")
    exchange.forget_requests()
    reports = load(conn, exchange.url, **YEAR)
    assert reports == []
    assert rows(conn, "SELECT tableoid, ctid, xmin, symbol, timestamp FROM market_data ORDER BY 1, 2") == before
    assert exchange.count(interval="1h") == 0


def test_archive_and_rest_give_the_same_rows(
    conn: psycopg.Connection, exchange: Exchange, postgres_server: Any
) -> None:
    params = {"symbols": ["SOL"], "timeframes": ["1h"], "start": "2024-11-15", "end": "2025-02-10"}
    load(conn, exchange.url, **params, source="archive")
    with psycopg.connect(postgres_server.dsn(postgres_server.create())) as other:
        prepare(other)
        load(other, exchange.url, **params, source="rest")
        assert fingerprint(other) == fingerprint(conn)


def test_rows_deleted_by_hand_are_brought_back_as_they_were(conn: psycopg.Connection, exchange: Exchange) -> None:
    params = {"symbols": ["BTC"], "timeframes": ["1h"], "start": "2021-01-01", "end": "2021-12-31"}
    load(conn, exchange.url, **params)
    before = fingerprint(conn)
    conn.execute(b"DELETE FROM market_data WHERE timestamp BETWEEN '2021-05-03 04:00+00' AND '2021-05-20 11:00+00'")
    exchange.forget_requests()
    (report,) = load(conn, exchange.url, **params)
    assert report.counts.inserted == 416
    assert fingerprint(conn) == before


@pytest.mark.parametrize("allowed", [2, 6])
def test_a_lane_downloads_as_many_files_at_once_as_the_connection_allows(
    conn: psycopg.Connection, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    client = client_of(exchange.url, archive_parallel=allowed)
    download, changed = client.archive_file, threading.Condition()
    running = most = 0

    def held(*names: str) -> ArchiveDownload:
        """Goes on once there were as many at a time as there may be."""
        nonlocal running, most
        with changed:
            running += 1
            most = max(most, running)
            changed.notify_all()
            assert changed.wait_for(lambda: most >= allowed, timeout=20)
        try:
            return download(*names)
        finally:
            with changed:
                running -= 1

    clock = ExchangeClock.read(client)
    request = validate_load_request(YEAR | {"symbols": ["BTC"], "timeframes": ["1d"]}, clock=clock.now())
    scope = load_scope(client, conn, request, clock)
    (lane,) = plan_lanes(plan_series(fetch_listings(conn), scope))
    monkeypatch.setattr(client, "archive_file", held)
    assert LaneLoader(conn, client, clock, "klines_initial_load", RUN).load(lane).counts.inserted == 366
    assert most == allowed


def test_only_closed_candles_are_stored(conn: psycopg.Connection, exchange: Exchange) -> None:
    load(conn, exchange.url, symbols=["BTC"], start="2026-01-10", end="2026-01-15")
    now = utc(2026, 1, 15, 0, 30)
    assert rows(conn, "SELECT timeframe, max(timestamp) FROM market_data GROUP BY 1 ORDER BY 1") == [
        ("1d", utc(2026, 1, 14)),
        ("1h", utc(2026, 1, 14, 23)),
    ]
    assert rows(conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]
    exchange.set_clock(now + timedelta(hours=2))
    load(conn, exchange.url, symbols=["BTC"], start="2026-01-10", end="2026-01-15")
    assert rows(conn, "SELECT max(timestamp) FROM market_data WHERE timeframe = '1h'") == [(utc(2026, 1, 15, 1),)]


def test_a_window_that_cannot_be_had_fails_alone_and_the_next_run_brings_it(
    conn: psycopg.Connection, exchange: Exchange
) -> None:
    params = {"symbols": ["BTC"], "timeframes": ["1h"], "start": "2023-12-01", "end": "2025-03-31"}
    exchange.fault("status", status=503, kind="archive", path="-2024-")
    exchange.fault("status", status=503, kind="klines", interval="1h")
    with pytest.raises(LoadError, match="BTC 1h: 1 of 3 windows failed, clear the task") as failure:
        load(conn, exchange.url, **params)
    assert "[2024-01-01 00:00, 2025-01-01 00:00)" in str(failure.value)
    assert rows(conn, "SELECT window_start, rows_inserted FROM data_sync_log WHERE status = 'failed'") == [
        (utc(2024, 1, 1), 0)
    ]
    assert rows(conn, "SELECT extract(year FROM timestamp)::int, count(*) FROM market_data GROUP BY 1 ORDER BY 1") == [
        (2023, 744),
        (2025, 90 * 24),
    ]
    exchange.clear_faults()
    (report,) = load(conn, exchange.url, **params)
    assert (report.windows, report.counts.inserted) == (1, 366 * 24)
    with_faults = fingerprint(conn)
    conn.execute(b"TRUNCATE market_data, data_gap, historical_data_range")
    load(conn, exchange.url, **params)
    assert fingerprint(conn) == with_faults


def test_a_revised_candle_is_updated_and_remembered(conn: psycopg.Connection, exchange: Exchange) -> None:
    params = {"symbols": ["ETH"], "timeframes": ["1h"], "start": "2025-12-01", "end": "2025-12-31", "source": "rest"}
    load(conn, exchange.url, **params)
    exchange.revise("ETHUSDT", "2025-12-11T08:00:00Z", volume_percent=131)
    conn.execute(b"DELETE FROM market_data WHERE timestamp = '2025-12-11 07:00+00'")
    client = client_of(exchange.url)
    clock = ExchangeClock.read(client)
    scope = load_scope(client, conn, validate_load_request(params, clock=utc(2026, 1, 15)), clock)
    loader = LaneLoader(conn, client, clock, "klines_initial_load", RUN, "rest", refresh=True)
    (report,) = [loader.load(lane) for lane in plan_lanes(plan_series(fetch_listings(conn), scope))]
    assert (report.counts.inserted, report.counts.revised) == (1, 1)
    assert rows(conn, "SELECT timestamp, new_volume > old_volume FROM market_data_revision") == [
        (utc(2025, 12, 11, 8), True)
    ]


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"action": "geo"}, GeoBlocked), ({"action": "ban", "seconds": 120}, Banned)],
)
def test_what_the_next_window_would_only_run_into_again_stops_the_lane(
    conn: psycopg.Connection, exchange: Exchange, fault: dict[str, Any], error: type[Exception]
) -> None:
    client = client_of(exchange.url)
    clock = ExchangeClock.read(client)
    request = validate_load_request({"symbols": ["BTC"], "end": "2022-12-31"}, clock=utc(2026, 1, 1))
    scope = load_scope(client, conn, request, clock)
    lanes = plan_lanes(plan_series(fetch_listings(conn), scope))
    exchange.fault(kind="klines", **fault)
    exchange.forget_requests()
    with pytest.raises(error):
        LaneLoader(conn, client, clock, "klines_initial_load", RUN, "rest").load(lanes[1])
    assert exchange.count(kind="klines") <= 4  # what was under way: two windows, two parts each
    assert rows(conn, "SELECT count(*) FROM market_data") == [(0,)]
