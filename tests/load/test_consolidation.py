"""Monthly consolidation: the archive is looked at again, and a month that is short is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.klines.load.planning import Scope
from include.klines.universe.selection import fetch_listings
from include.klines.upkeep.notes import file_lines, month_lines, too_short
from include.klines.upkeep.second_look import file_lanes
from include.klines.windows import Window
from tests.load.test_lanes_end_to_end import rows
from tests.load.upkeep import Upkeep, utc

if TYPE_CHECKING:
    from tests.exchange import Exchange

TWO: dict[str, Any] = {"symbols": ["BTC", "ETH"]}
AUTUMN: dict[str, Any] = {"start": "2025-10-01", "end": "2025-12-31"}


def candles(exchange: Exchange) -> int:
    """Requests for candles and files of the two pairs, since the log was emptied."""
    asked = [(kind, pair) for kind in ("klines", "archive") for pair in ("BTCUSDT", "ETHUSDT")]
    return sum(exchange.count(kind=kind, symbol=pair) for kind, pair in asked)


def test_a_month_whose_files_are_unchanged_is_read_once(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2026-01-10T00:00:00Z")
    upkeep.load(**TWO, **AUTUMN)
    exchange.set_clock("2026-01-12T05:00:00Z")
    exchange.forget_requests()
    scope, reports = upkeep.monthly("2026-01-01")
    assert str(scope.window) == "[2025-12-01 00:00, 2026-01-01 00:00)"
    assert (reports, candles(exchange)) == ([], 0)
    assert exchange.count(kind="listing") <= 4 + 3  # one a series, and the universe's
    lines, short = month_lines(upkeep.conn, scope)
    assert (lines[0], short) == ("**2025-12: 4 of 4 series are complete.**", [])


def test_a_replaced_file_is_read_again_and_its_differences_are_revisions(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2026-01-10T00:00:00Z")
    upkeep.load(**TWO, **AUTUMN)
    exchange.revise("ETHUSDT", "2025-11-11T08:00:00Z", at="2026-01-11T00:00:00Z")
    exchange.set_clock("2026-01-12T05:00:00Z")
    _, reports = upkeep.monthly("2026-01-01")
    assert [report.name for report in reports] == ["ETH 1d: replaced files", "ETH 1h: replaced files"]
    assert file_lines([report.to_json() for report in reports]) == [
        "Replaced archive files: 2 read, 748 candles agree, 2 revised, 0 new."
    ]
    assert rows(upkeep.conn, "SELECT timeframe, timestamp, source FROM market_data_revision ORDER BY 1") == [
        ("1d", utc("2025-11-11"), "archive-monthly"),
        ("1h", utc("2025-11-11 08:00"), "archive-monthly"),
    ]
    exchange.forget_requests()
    assert upkeep.monthly("2026-01-01")[1] == []
    assert candles(exchange) == 0


def test_a_monthly_file_that_came_later_is_compared_with_what_rest_gave(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2025-11-30T23:59:00Z")
    upkeep.load(**TWO, start="2025-11-01", end="2025-11-30", source="rest")
    exchange.set_clock("2025-12-01T05:00:00Z")
    _, reports = upkeep.monthly("2025-12-01")
    assert reports == []  # the file is not there on the first
    assert rows(upkeep.conn, "SELECT count(*) FROM market_data") == [(2 * (30 * 24 + 30),)]
    exchange.revise("BTCUSDT", "2025-11-20T10:00:00Z", at="2025-12-02T00:00:00Z")
    exchange.set_clock("2025-12-31T23:59:00Z")
    upkeep.load(**TWO, start="2025-12-01", end="2025-12-31", source="rest")
    exchange.set_clock("2026-01-01T05:00:00Z")
    _, reports = upkeep.monthly("2026-01-01")
    assert file_lines([report.to_json() for report in reports]) == [
        "Monthly files that came since: 4 read, 1,498 candles agree, 2 revised, 0 new."
    ]
    assert upkeep.monthly("2026-01-01")[1] == []


def test_the_days_that_were_published_cut_short_are_mended(upkeep: Upkeep) -> None:
    """All daily files of 2025-04-22 were cut short, with good checksums, until 2025-05-02."""
    exchange, april = upkeep.exchange, Scope.of_series([("BTC", "1h")], Window(utc("2025-04-01"), utc("2025-05-01")))
    exchange.set_clock("2025-04-25T10:00:00Z")
    upkeep.load(symbols=["BTC"], timeframes=["1h"], start="2025-04-20", end="2025-04-24", source="archive")
    assert rows(upkeep.conn, "SELECT count(*) < 5 * 24 FROM market_data") == [(True,)]
    exchange.set_clock("2025-05-02T05:00:00Z")
    again = file_lanes(upkeep.client, upkeep.conn, fetch_listings(upkeep.conn), april)
    assert [(lane.name, str(lane.series[0].windows[0])) for lane in again] == [
        ("BTC 1h: replaced files", "[2025-04-22 00:00, 2025-04-23 00:00)")
    ]
    upkeep.monthly("2025-05-01")
    assert rows(upkeep.conn, "SELECT count(*) FROM market_data WHERE timestamp >= '2025-04-20'") == [(11 * 24,)]
    assert file_lanes(upkeep.client, upkeep.conn, fetch_listings(upkeep.conn), april) == []


def test_an_empty_database_has_nothing_to_do(upkeep: Upkeep) -> None:
    outcome, reports = upkeep.weekly("2026-01-11")
    assert (outcome.found, outcome.left, reports) == (0, (), [])
    scope, reports = upkeep.monthly("2026-01-01")
    assert (scope.series, reports, month_lines(upkeep.conn, scope)[1]) == ([], [], [])


def test_a_month_that_is_short_names_each_series(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2026-01-10T00:00:00Z")
    upkeep.load(**TWO, **AUTUMN)
    exchange.fault("hide", symbol="ETHUSDT", start="2025-12-10T00:00:00Z", end="2025-12-10T12:00:00Z")
    exchange.fault("missing", symbol="ETHUSDT")
    upkeep.conn.execute(
        b"""DELETE FROM market_data WHERE symbol = 'ETH' AND timeframe = '1h'
        AND timestamp >= '2025-12-10' AND timestamp < '2025-12-10 12:00+00'"""
    )
    exchange.set_clock("2026-01-20T05:00:00Z")
    scope, _ = upkeep.monthly("2026-01-01")
    _, short = month_lines(upkeep.conn, scope)
    assert short == ["ETH 1h 98.387 % (12 open)"]
    sentence = too_short(scope, short)
    assert "ETH 1h 98.387 % (12 open). Run klines_weekly_gap_fill with start 2025-12-01 and end 2025-12-31" in sentence


def test_files_of_more_than_a_hundred_days_ago_are_final(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2025-09-10T00:00:00Z")
    upkeep.load(**TWO, start="2025-05-01", end="2025-07-31")
    exchange.revise("ETHUSDT", "2025-06-11T08:00:00Z", at="2025-09-11T00:00:00Z")
    exchange.set_clock("2026-01-12T05:00:00Z")
    scope, _ = upkeep.monthly("2026-01-01")
    assert file_lanes(upkeep.client, upkeep.conn, fetch_listings(upkeep.conn), scope) == []
