"""Daily increments: the same candles whenever a day is run, one at a time or after months."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from include.klines.load.planning import Scope
from include.klines.universe.selection import Listing
from include.klines.upkeep.increments import increment_lanes
from include.klines.windows import Window
from tests.load.test_lanes_end_to_end import fingerprint, rows
from tests.load.upkeep import inserted, scheduled, spans, utc

if TYPE_CHECKING:
    from include.klines.load.lanes import SeriesPlan
    from tests.load.upkeep import Upkeep

TWO: dict[str, Any] = {"symbols": ["BTC", "ETH"]}


def test_a_run_loads_its_day_and_reads_two_days_again(upkeep: Upkeep) -> None:
    upkeep.exchange.set_clock("2026-01-12T02:03:00Z")
    assert inserted(upkeep.daily("2026-01-11", **TWO)) == 2 * (72 + 3)
    assert spans(upkeep) == [
        ("1d", utc("2026-01-09"), utc("2026-01-11"), 3),
        ("1h", utc("2026-01-09 02:00"), utc("2026-01-12 01:00"), 72),
    ]
    upkeep.exchange.set_clock("2026-01-13T02:03:00Z")
    upkeep.exchange.forget_requests()
    (days, hours) = upkeep.daily("2026-01-12", **TWO)
    assert (days.counts.inserted, days.counts.unchanged) == (2, 4)
    assert (hours.counts.inserted, hours.counts.unchanged) == (48, 96)
    assert upkeep.exchange.count(kind="klines", status=200, interval="1h") == 2
    assert rows(upkeep.conn, "SELECT min(adjusted_completeness_percentage) FROM data_quality") == [(100.0,)]
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]


def test_a_past_day_gives_the_same_rows_whenever_it_is_run(upkeep: Upkeep, another: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2025-11-12T02:03:00Z")
    upkeep.daily("2025-11-11", **TWO)
    exchange.set_clock("2025-11-30T11:00:00Z")
    another.daily("2025-11-11", **TWO)
    assert fingerprint(another.conn) == fingerprint(upkeep.conn)
    exchange.set_clock("2026-01-15T00:30:00Z")
    another.conn.execute(b"TRUNCATE market_data, data_gap, historical_data_range, data_quality")
    another.daily("2025-11-11", **TWO)
    of_the_day = """SELECT * FROM market_data
        WHERE timestamp >= '2025-11-09 02:00Z' AND timestamp < '2025-11-12 02:00Z' AND timeframe = '1h'
        ORDER BY symbol, timestamp"""
    late, in_time = (rows(each.conn, of_the_day) for each in (another, upkeep))
    assert len(late) == 2 * 72
    assert late == in_time


def test_a_catchup_over_months_comes_from_the_archive_and_equals_one_load(upkeep: Upkeep, another: Upkeep) -> None:
    for day in ("2025-10-30", "2025-10-31", "2025-11-01", "2025-11-02", "2025-11-03"):
        upkeep.daily(day, **TWO)
    exchange = upkeep.exchange
    assert exchange.count(kind="archive", status=200, interval="1h") == 4  # October and November, two pairs
    assert (
        exchange.count(kind="klines", interval="1h", status=200) <= 10
    )  # listings, and the hours of a month's last run
    exchange.forget_requests()
    assert upkeep.daily("2025-11-20", **TWO) == []
    assert exchange.count(kind="klines") + exchange.count(kind="archive") == 0
    another.load(**TWO, start="2025-10-01", end="2025-11-30")
    assert fingerprint(another.conn) == fingerprint(upkeep.conn)
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]


def test_runs_of_every_day_over_a_month_border_equal_one_load(upkeep: Upkeep, another: Upkeep) -> None:
    upkeep.exchange.fault("missing", period="2025-12")  # the monthly file comes late
    for day in range(30, 33):
        date = f"2025-12-{day}" if day < 32 else "2026-01-01"
        following = f"2026-01-{day - 30:02d}" if day > 30 else "2025-12-31"
        upkeep.exchange.set_clock(f"{following}T02:01:00Z")
        upkeep.daily(date, **TWO)
    another.load(**TWO, timeframes=["1d"], start="2025-12-28", end="2026-01-01")
    assert fingerprint(another.conn) == [row for row in fingerprint(upkeep.conn) if row[1] == "1d"]
    assert spans(upkeep)[1] == ("1h", utc("2025-12-28 02:00"), utc("2026-01-02 01:00"), 120)


def test_a_leap_day_is_a_day(upkeep: Upkeep) -> None:
    upkeep.exchange.set_clock("2024-03-01T02:01:00Z")
    upkeep.daily("2024-02-29", **TWO)
    assert spans(upkeep) == [
        ("1d", utc("2024-02-27"), utc("2024-02-29"), 3),
        ("1h", utc("2024-02-27 02:00"), utc("2024-03-01 01:00"), 72),
    ]


def test_what_changed_in_the_settle_window_is_a_revision(upkeep: Upkeep) -> None:
    upkeep.exchange.set_clock("2026-01-12T02:03:00Z")
    upkeep.daily("2026-01-11", **TWO)
    upkeep.exchange.revise("ETHUSDT", "2026-01-11T08:00:00Z", at="2026-01-12T09:00:00Z")
    upkeep.exchange.set_clock("2026-01-13T02:03:00Z")
    upkeep.daily("2026-01-12", **TWO)
    assert rows(upkeep.conn, "SELECT symbol, timeframe, timestamp FROM market_data_revision ORDER BY 2") == [
        ("ETH", "1d", utc("2026-01-11")),
        ("ETH", "1h", utc("2026-01-11 08:00")),
    ]


def test_a_pair_delisted_in_the_middle_is_loaded_up_to_its_end_and_not_asked_for_afterwards(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.set_clock("2025-12-10T02:01:00Z")
    upkeep.daily("2025-12-09", **TWO)
    exchange.change_pair("ETHUSDT", delisted="2025-12-10T07:00:00Z")
    exchange.set_clock("2025-12-11T02:01:00Z")
    upkeep.daily("2025-12-10", **TWO)
    exchange.set_clock("2025-12-15T02:01:00Z")
    scope, _ = upkeep.increment(scheduled("2025-12-14 02:00", "2025-12-15 02:00"), **TWO)
    assert scope.symbols == ("BTC",)
    assert any(note.startswith("delisted: ") and "ETH" in note for note in scope.notes)
    assert rows(upkeep.conn, "SELECT max(timestamp) FROM market_data WHERE symbol = 'ETH' AND timeframe = '1h'") == [
        (utc("2025-12-10 06:00"),)
    ]
    exchange.forget_requests()
    exchange.set_clock("2025-12-16T02:01:00Z")
    upkeep.daily("2025-12-15", **TWO)
    assert exchange.count(kind="klines", symbol="ETHUSDT") == 0
    upkeep.weekly("2025-12-14", **TWO, start="2025-12-09", end="2025-12-13")
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE symbol = 'ETH' AND resolved_at IS NULL") == [(0,)]


def test_what_was_listed_and_delisted_stands_in_the_note(upkeep: Upkeep) -> None:
    exchange = upkeep.exchange
    exchange.change_pair("NEWCOINUSDT", listed="2026-01-14T08:00:00Z")
    exchange.change_pair("ETHUSDT", delisted="2026-01-11T07:00:00Z")
    notes = {}
    for day in (10, 12, 14):
        exchange.set_clock(f"2026-01-{day + 1}T02:01:00Z")
        run = scheduled(f"2026-01-{day} 02:00", f"2026-01-{day + 1} 02:00")
        notes[day] = upkeep.increment(run, **TWO)[0].notes
    assert "delisted: ETH" not in notes[12], "it has stood still for less than three days"
    assert {"listed: NEWCOIN", "delisted: ETH"} <= set(notes[14])
    assert not any("NEWCOIN" in line for line in notes[10])


def test_without_symbols_it_goes_on_with_the_core_and_with_what_is_stored(upkeep: Upkeep) -> None:
    upkeep.exchange.set_clock("2026-01-12T02:03:00Z")
    upkeep.load(symbols=["JUP"], timeframes=["1d"], start="2026-01-01", end="2026-01-10")
    scope, reports = upkeep.increment(scheduled("2026-01-11 02:00", "2026-01-12 02:00"))
    assert ("JUP", "1d") in scope.series
    assert ("JUP", "1h") not in scope.series
    assert {"MATIC", "FTM", "MKR"}.isdisjoint(scope.symbols)
    assert {"POL", "S", "SKY"} <= set(scope.symbols)
    assert len(scope.series) == 2 * 30 + 1
    assert len(reports) <= 6
    assert inserted(reports) == 30 * (72 + 3) + 1


def test_a_run_made_by_hand_goes_up_to_its_logical_date_or_to_now(upkeep: Upkeep) -> None:
    upkeep.exchange.set_clock("2026-01-12T15:20:00Z")
    run = SimpleNamespace(run_type="manual", logical_date=None, data_interval_start=None, data_interval_end=None)
    upkeep.increment(run, symbols=["BTC"], lookback_days=1)
    assert spans(upkeep) == [
        ("1d", utc("2026-01-10"), utc("2026-01-11"), 2),
        ("1h", utc("2026-01-10 15:00"), utc("2026-01-12 14:00"), 48),
    ]
    assert rows(upkeep.conn, "SELECT count(*) FROM data_gap WHERE resolved_at IS NULL") == [(0,)]


def test_450_pairs_in_two_timeframes_make_at_most_40_lanes(upkeep: Upkeep) -> None:
    listed = utc("2020-01-01")
    listings = [
        Listing(f"C{number}", 1, f"C{number}USDT", f"C{number}", "USDT", "extended", "TRADING", listed_at=listed)
        for number in range(450)
    ]
    window = Window(utc("2026-01-09 02:00"), utc("2026-01-12 02:00"))
    scope = Scope(tuple(row.symbol for row in listings), ("1d", "1h"), window)
    lookback = window.end - window.start - (utc("2026-01-12") - utc("2026-01-11"))
    lanes = increment_lanes(upkeep.conn, listings, scope, lookback, utc("2026-01-12 02:00"))
    assert len(lanes) <= 40
    planned: list[SeriesPlan] = [plan for lane in lanes for plan in lane.series]
    assert len(planned) == 900
    assert all(plan.refresh for plan in planned)
