"""A pair that stands still while the exchange goes on: what is said about it, when, and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.health import checks
from tests.load.test_lanes_end_to_end import rows
from tests.load.upkeep import utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.load.upkeep import Upkeep

TWO: dict[str, Any] = {"symbols": ["BTC", "ETH"]}
STOPPED = "2026-01-10T07:00:00Z"
WATCHED = ("completeness", "last_sync", "open_gaps")


def days(upkeep: Upkeep, first: str, last: str) -> Iterator[str]:
    """Run what is due on each day, the weekly gap fill on Sundays; the morning's date, when that is done."""
    day = utc(first)
    while day <= utc(last):
        upkeep.exchange.set_clock(f"{day:%Y-%m-%d}T02:05:00Z")
        upkeep.daily(f"{day - timedelta(days=1):%Y-%m-%d}", **TWO)
        if day.weekday() == 6:
            upkeep.exchange.set_clock(f"{day:%Y-%m-%d}T03:05:00Z")
            upkeep.weekly(f"{day:%Y-%m-%d}")
        yield f"{day:%m-%d}"
        day += timedelta(days=1)


def troubles(upkeep: Upkeep, day: str) -> set[str]:
    """Which promises health finds broken for ETH on the morning of `day`."""
    clock = utc(f"2026-{day} 04:00")
    return {
        kind
        for kind in WATCHED
        if any(finding.symbol == "ETH" for finding in checks.check(upkeep.conn, kind, clock).findings)
    }


def causes(upkeep: Upkeep) -> list[str]:
    """The causes of ETH's unresolved gaps, in order of time."""
    statement = """SELECT cause FROM data_gap WHERE symbol = 'ETH' AND timeframe = '1h' AND resolved_at IS NULL
        ORDER BY gap_start"""
    return [cause for (cause,) in rows(upkeep.conn, statement)]


@pytest.fixture
def december(upkeep: Upkeep) -> Upkeep:
    """A database that was loaded up to the day on which ETH stands still."""
    upkeep.exchange.set_clock("2026-01-10T02:05:00Z")
    upkeep.load(**TWO, start="2025-12-01", end="2026-01-09")
    return upkeep


def test_a_halted_pair_is_out_of_the_listing_after_three_days_and_a_suspension_once_it_trades_again(
    december: Upkeep,
) -> None:
    still = [[STOPPED, "2026-01-22T12:00:00Z"]]
    december.exchange.change_pair("ETHUSDT", status="BREAK", holes=still)
    told = {day: troubles(december, day) for day in days(december, "2026-01-11", "2026-01-22")}
    assert {day for day, found in told.items() if found} == set(), "nobody can do anything about it"
    assert causes(december) == []
    assert rows(december.conn, "SELECT delisted_at FROM symbol_listing WHERE symbol = 'ETH'") == [
        (utc("2026-01-10 07:00"),)
    ]
    december.exchange.change_pair("ETHUSDT", status="TRADING")
    told = {day: troubles(december, day) for day in days(december, "2026-01-23", "2026-02-01")}
    assert causes(december) == ["suspension"]
    assert told["01-23"] == {"completeness"}
    assert told["02-01"] == set()
    assert rows(december.conn, "SELECT delisted_at FROM symbol_listing WHERE symbol = 'ETH'") == [(None,)]


def test_a_pair_that_stands_still_and_is_called_trading_is_not_told_about_for_ever(december: Upkeep) -> None:
    december.exchange.change_pair("ETHUSDT", holes=[[STOPPED, "2026-03-22T12:00:00Z"]])
    told = {day: troubles(december, day) for day in days(december, "2026-01-11", "2026-02-03")}
    assert causes(december)[0] == "suspension"
    assert set(causes(december)[1:]) == {"open"}, "its newest days wait for their second confirmation"
    assert {day for day, found in told.items() if not found} >= {"01-26", "02-03"}
    assert {day for day, found in told.items() if found} <= {f"01-{day:02d}" for day in range(11, 26)}


def test_a_pair_that_stands_still_for_hours_is_explained_by_two_gap_fills(december: Upkeep) -> None:
    december.exchange.change_pair("ETHUSDT", holes=[["2026-01-13T05:00:00Z", "2026-01-13T10:00:00Z"]])
    told = {day: troubles(december, day) for day in days(december, "2026-01-11", "2026-01-25")}
    assert causes(december) == ["suspension"]
    assert {day for day, found in told.items() if found} <= {"01-21", "01-22", "01-23", "01-24"}
