"""Weekly gap fills: what is missing comes back, what cannot come is explained, and neither is asked for twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.klines.errors import InvalidRequest, LoadError
from include.klines.params import validate_range_request
from include.klines.upkeep.notes import gap_lines
from tests.load.test_lanes_end_to_end import fingerprint, rows
from tests.load.upkeep import Upkeep, utc

if TYPE_CHECKING:
    from tests.exchange import Exchange

TWO: dict[str, Any] = {"symbols": ["BTC", "ETH"]}
AUTUMN: dict[str, Any] = {"start": "2025-10-05", "end": "2026-01-02"}


def asked(exchange: Exchange) -> int:
    """Requests for candles and files, REST and archive, since the log was emptied."""
    return exchange.count(kind="klines") + exchange.count(kind="archive") + exchange.count(kind="listing")


def gaps(upkeep: Upkeep) -> list[tuple[Any, ...]]:
    return rows(
        upkeep.conn,
        """SELECT symbol, timeframe, cause, attempts, missing_records FROM data_gap WHERE resolved_at IS NULL
        ORDER BY symbol, timeframe, gap_start""",
    )


def test_rows_deleted_by_hand_come_back_identical(upkeep: Upkeep) -> None:
    upkeep.load(**TWO, **AUTUMN)
    before = fingerprint(upkeep.conn)
    for symbol, timeframe, first, last in (
        ("BTC", "1h", "2025-10-14 04:00", "2025-11-20 11:00"),
        ("BTC", "1d", "2025-10-15", "2025-11-20"),
        ("ETH", "1h", "2025-12-31 23:00", "2025-12-31 23:00"),
        ("ETH", "1h", "2025-12-24 03:00", "2025-12-24 05:00"),
        ("ETH", "1d", "2025-12-24", "2025-12-24"),
        ("BTC", "1d", "2025-12-24", "2025-12-24"),
    ):
        upkeep.conn.execute(
            """DELETE FROM market_data
            WHERE symbol = %s AND timeframe = %s AND timestamp BETWEEN %s::timestamptz AND %s::timestamptz""",
            (symbol, timeframe, first, last),
        )
    upkeep.exchange.set_clock("2026-01-04T03:00:00Z")
    outcome, _ = upkeep.weekly("2026-01-04", **AUTUMN)
    assert outcome.found == 6
    assert outcome.found_candles == outcome.filled_candles == 37 * 24 + 8 + 37 + 1 + 3 + 2
    assert (outcome.filled, outcome.now_explained, outcome.left) == (outcome.found, 0, ())
    assert fingerprint(upkeep.conn) == before


def test_nothing_missing_costs_no_request(upkeep: Upkeep) -> None:
    upkeep.load(**TWO, **AUTUMN)
    upkeep.exchange.set_clock("2026-01-03T03:00:00Z")
    upkeep.exchange.forget_requests()
    outcome, reports = upkeep.weekly("2026-01-03")
    assert (outcome.found, reports, asked(upkeep.exchange)) == (0, [], 0)


def test_a_suspension_is_confirmed_on_two_days_and_then_costs_no_request(upkeep: Upkeep) -> None:
    """CVC stood still from 2023-05-09 08:00 to 2023-05-12 20:00: whole days have no file, the days beside them do."""
    exchange = upkeep.exchange
    range_of_may = {"start": "2023-05-01", "end": "2023-06-30"}
    exchange.set_clock("2023-07-20T10:00:00Z")
    upkeep.load(symbols=["BTC", "CVC"], **range_of_may)
    assert gaps(upkeep) == [("CVC", "1d", "open", 0, 2), ("CVC", "1h", "open", 0, 84)]
    exchange.set_clock("2023-07-23T03:00:00Z")
    outcome, _ = upkeep.weekly("2023-07-23", **range_of_may)
    assert (outcome.found, outcome.filled, len(outcome.left)) == (2, 0, 0)
    assert outcome.now_explained == 2
    assert gaps(upkeep) == [("CVC", "1d", "suspension", 1, 2), ("CVC", "1h", "suspension", 1, 84)]
    exchange.set_clock("2023-07-30T03:00:00Z")
    exchange.forget_requests()
    outcome, _ = upkeep.weekly("2023-07-30", **range_of_may)
    assert outcome.explained == {"suspension": 2}
    assert (outcome.found, asked(exchange)) == (0, 0)


def test_a_suspension_of_months_over_new_year_is_confirmed_too(upkeep: Upkeep) -> None:
    """FTT stood still from 2022-11-15 03:00 to 2023-09-22 08:00: for whole months the archive has no file at all."""
    exchange = upkeep.exchange
    whole = {"start": "2022-11-01", "end": "2023-10-31"}
    exchange.set_clock("2023-12-20T10:00:00Z")
    upkeep.load(symbols=["BTC", "FTT"], **whole)
    for sunday in ("2023-12-24", "2023-12-31"):
        exchange.set_clock(f"{sunday}T03:00:00Z")
        upkeep.weekly(sunday, **whole)
    assert [gap[:3] for gap in gaps(upkeep) if gap[0] == "FTT"] == [
        ("FTT", "1d", "suspension"),
        ("FTT", "1h", "suspension"),
    ]
    exchange.forget_requests()
    exchange.set_clock("2024-01-07T03:00:00Z")
    upkeep.weekly("2024-01-07", **whole)
    assert asked(exchange) == 0


def test_an_outage_is_explained_and_costs_no_request(upkeep: Upkeep) -> None:
    march = {"start": "2023-03-01", "end": "2023-04-15"}
    upkeep.load(**TWO, **march)
    upkeep.exchange.forget_requests()
    outcome, _ = upkeep.weekly("2026-01-11", **march)
    assert outcome.explained == {"exchange_outage": 2}
    assert (outcome.found, asked(upkeep.exchange)) == (0, 0)


def test_a_gap_that_nobody_explains_is_given_up_after_max_attempts_until_a_person_asks(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    upkeep.load(**TWO, timeframes=["1h"], **AUTUMN)
    hole = {"symbol": "ETHUSDT", "interval": "1h", "start": "2025-12-10T05:00:00Z", "end": "2025-12-10T08:00:00Z"}
    exchange.fault("missing", symbol="ETHUSDT", interval="1h")  # the archive says nothing about it
    exchange.fault("hide", **hole)
    upkeep.conn.execute(
        b"""DELETE FROM market_data
        WHERE symbol = 'ETH' AND timestamp BETWEEN '2025-12-10 05:00Z' AND '2025-12-10 07:00Z'"""
    )
    within = {"start": "2025-12-01", "end": "2025-12-31"}
    for attempt, sunday in enumerate(("2026-01-18", "2026-01-25", "2026-02-01"), start=1):
        exchange.set_clock(f"{sunday}T03:00:00Z")
        outcome, _ = upkeep.weekly(sunday, **within)
        assert (outcome.found, outcome.filled) == (1, 0)
        assert gaps(upkeep) == [("ETH", "1h", "open", attempt, 3)]
    exchange.set_clock("2026-02-08T03:00:00Z")
    exchange.forget_requests()
    outcome, _ = upkeep.weekly("2026-02-08", **within)
    assert (outcome.found, len(outcome.left), asked(exchange)) == (0, 1, 0)
    assert any("higher max_attempts" in line for line in gap_lines(outcome, 3))
    exchange.clear_faults()
    outcome, _ = upkeep.weekly("2026-02-08", **within, max_attempts=4)
    assert (outcome.found, outcome.filled, gaps(upkeep)) == (1, 1, [])


def test_what_daily_runs_find_empty_is_no_attempt(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.fault("hide", symbol="ETHUSDT", start="2026-01-10T05:00:00Z", end="2026-01-10T08:00:00Z")
    for day in ("2026-01-10", "2026-01-11", "2026-01-12"):
        exchange.set_clock(f"2026-01-{int(day[-2:]) + 1}T02:01:00Z")
        upkeep.daily(day, **TWO, timeframes=["1h"])
    assert gaps(upkeep) == [("ETH", "1h", "open", 0, 3)]


def test_a_gap_that_cannot_be_asked_for_is_no_attempt_and_fails_its_lane(upkeep: Upkeep) -> None:
    upkeep.load(symbols=["BTC"], timeframes=["1h"], **AUTUMN)
    upkeep.conn.execute(b"DELETE FROM market_data WHERE timestamp = '2025-12-10 05:00+00'")
    fault = upkeep.exchange.fault("status", status=503, symbol="BTCUSDT", interval="1h")
    within = {"start": "2025-12-01", "end": "2025-12-31"}
    with pytest.raises(LoadError, match="BTC 1h"):
        upkeep.weekly("2026-01-11", **within)
    assert gaps(upkeep) == [("BTC", "1h", "open", 0, 1)]
    upkeep.exchange.clear_faults(fault)
    outcome, _ = upkeep.weekly("2026-01-11", **within)
    assert (outcome.filled, gaps(upkeep)) == (1, [])


def test_a_lane_that_is_tried_again_asks_only_for_what_it_could_not_get(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    upkeep.load(**TWO, timeframes=["1h"], **AUTUMN)
    exchange.fault("hide", symbol="BTCUSDT", start="2025-12-10T05:00:00Z", end="2025-12-10T08:00:00Z")
    down = exchange.fault("status", status=503, symbol="ETHUSDT", interval="1h")
    upkeep.conn.execute(b"DELETE FROM market_data WHERE timestamp BETWEEN '2025-12-10 05:00Z' AND '2025-12-10 07:00Z'")
    within = {"start": "2025-12-01", "end": "2025-12-31"}
    with pytest.raises(LoadError, match="ETH 1h"):
        upkeep.weekly("2026-01-11", **within)
    assert gaps(upkeep) == [("BTC", "1h", "open", 1, 3), ("ETH", "1h", "open", 0, 3)]
    exchange.clear_faults(down)
    exchange.forget_requests()
    upkeep.weekly("2026-01-11", **within)  # the same run again
    assert gaps(upkeep) == [("BTC", "1h", "open", 1, 3)]
    assert exchange.count(kind="klines", symbol="BTCUSDT") + exchange.count(kind="archive", symbol="BTCUSDT") == 0


def test_limit_and_symbols_choose_among_what_is_stored(upkeep: Upkeep) -> None:
    upkeep.load(symbols=["ETH", "BTC", "SOL"], timeframes=["1d"], start="2025-12-01", end="2025-12-31")
    upkeep.conn.execute(b"DELETE FROM market_data WHERE timestamp = '2025-12-10'")
    within = {"start": "2025-12-01", "end": "2025-12-31"}
    first, _ = upkeep.weekly("2026-01-11", **within, limit=1)
    assert (first.found, first.filled) == (1, 1)
    named, _ = upkeep.weekly("2026-01-11", **within, symbols=["SOL"])
    assert (named.found, named.filled) == (1, 1)
    left, _ = upkeep.weekly("2026-01-11", **within)
    assert (left.found, left.filled) == (1, 1)


def test_a_range_is_whole_days_that_are_over() -> None:
    until = utc("2026-01-11")
    assert str(validate_range_request({}, until=until).window) == "[2025-10-13 00:00, 2026-01-11 00:00)"
    assert str(validate_range_request({"days": 1}, until=until).window) == "[2026-01-10 00:00, 2026-01-11 00:00)"
    given = validate_range_request({"days": 90, "start": "2025-12-01", "end": "2025-12-31"}, until=until)
    assert str(given.window) == "[2025-12-01 00:00, 2026-01-01 00:00)"
    with pytest.raises(InvalidRequest, match="not over yet: the last day that can be asked for is 2026-01-10"):
        validate_range_request({"end": "2026-01-11"}, until=until)
    with pytest.raises(InvalidRequest, match="swap them"):
        validate_range_request({"start": "2025-12-01", "end": "2025-11-01"}, until=until)
