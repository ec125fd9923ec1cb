"""Gaps: found by timestamp deltas, merged into windows, and remembered."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.klines.quality import measuring
from include.klines.windows import Window, merge
from tests.sql.measured import at, confirm, fill, gap, gaps, remove, window
from tests.sql.stored import list_symbol

if TYPE_CHECKING:
    import psycopg

MAY = window("2024-05-01", "2024-06-01")
CLOCK = at("2024-06-01 02:00")
LATER = at("2024-06-02 02:00")


@pytest.fixture
def conn(market_conn: psycopg.Connection) -> psycopg.Connection:
    market_conn.execute("SET TIME ZONE 'UTC'")
    list_symbol(market_conn, "BTC", "2017-08-17 04:00")
    return market_conn


def record(conn: psycopg.Connection, span: Window = MAY, clock: object = CLOCK, symbol: str = "BTC") -> None:
    measuring.record_gaps(conn, [(symbol, "1h")], span, clock)  # type: ignore[arg-type]  # a datetime


def test_missing_candles_become_windows_at_the_edges_too(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-02", "2024-05-31", without=[("2024-05-10 03:00", "2024-05-10 05:00")])
    record(conn)
    assert gaps(conn, "BTC") == [
        ("2024-05-01 00:00", "2024-05-02 00:00"),
        ("2024-05-10 03:00", "2024-05-10 05:00"),
        ("2024-05-31 00:00", "2024-06-01 00:00"),
    ]
    assert gap(conn, "BTC", "2024-05-10 03:00")["missing_records"] == 2
    assert gap(conn, "BTC", "2024-05-10 03:00")["first_seen"] == CLOCK


def test_a_gap_over_a_month_border_is_one(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-04-01", "2024-06-01", without=[("2024-04-30 20:00", "2024-05-01 06:00")])
    record(conn, window("2024-04-01", "2024-06-01"))
    assert gaps(conn, "BTC") == [("2024-04-30 20:00", "2024-05-01 06:00")]


def test_gaps_of_two_windows_that_touch_become_one(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-14 20:00", "2024-05-15 06:00")])
    record(conn, window("2024-05-01", "2024-05-15"))
    record(conn, window("2024-05-15", "2024-06-01"), LATER)
    assert gaps(conn, "BTC") == [("2024-05-14 20:00", "2024-05-15 06:00")]
    assert gap(conn, "BTC", "2024-05-14 20:00")["first_seen"] == CLOCK


def test_nothing_is_missing_before_the_listing_and_after_the_delisting(conn: psycopg.Connection) -> None:
    list_symbol(conn, "FTM", "2024-05-03 10:00", "2024-05-20 03:00")
    fill(conn, "FTM", "2024-05-03 10:00", "2024-05-20 03:00")
    record(conn, symbol="FTM")
    assert gaps(conn, "FTM") == []


def test_between_two_listings_of_a_ticker_nothing_is_missing(conn: psycopg.Connection) -> None:
    list_symbol(conn, "LUNA", "2024-05-01", "2024-05-13 01:00")
    list_symbol(conn, "LUNA", "2024-05-20 06:00", number=2)
    fill(conn, "LUNA", "2024-05-01", "2024-06-01", without=[("2024-05-13 00:00", "2024-05-20 07:00")])
    record(conn, symbol="LUNA")
    assert gaps(conn, "LUNA") == [
        ("2024-05-13 00:00", "2024-05-13 01:00"),
        ("2024-05-20 06:00", "2024-05-20 07:00"),
    ]


def test_a_candle_that_is_not_closed_is_not_missing(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-05-20 13:00")
    record(conn, clock=at("2024-05-20 14:59"))
    assert gaps(conn, "BTC") == [("2024-05-20 13:00", "2024-05-20 14:00")]


def test_a_gap_that_fills_is_resolved_not_deleted(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-10", "2024-05-11")])
    record(conn)
    fill(conn, "BTC", "2024-05-10", "2024-05-11")
    record(conn, clock=LATER)
    assert gaps(conn, "BTC") == []
    assert gaps(conn, "BTC", resolved=True) == [("2024-05-10 00:00", "2024-05-11 00:00")]


def test_a_gap_that_fills_in_part_keeps_what_was_learned(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-10", "2024-05-11")])
    record(conn)
    confirm(conn, "BTC", ("2024-05-10", "2024-05-11"))
    fill(conn, "BTC", "2024-05-10 06:00", "2024-05-10 12:00")
    record(conn, clock=LATER)
    assert gaps(conn, "BTC") == [("2024-05-10 00:00", "2024-05-10 06:00"), ("2024-05-10 12:00", "2024-05-11 00:00")]
    part = gap(conn, "BTC", "2024-05-10 12:00")
    assert (part["first_seen"], part["attempts"], part["rest_empty_on"]) == (CLOCK, 1, [date(2024, 6, 1)])
    assert gaps(conn, "BTC", resolved=True) == [("2024-05-10 00:00", "2024-05-11 00:00")]


def test_what_was_confirmed_of_a_part_is_not_claimed_for_the_whole(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-10", "2024-05-11")])
    record(conn)
    confirm(conn, "BTC", ("2024-05-10", "2024-05-11"))
    remove(conn, "BTC", "2024-05-11", "2024-05-12")
    record(conn, clock=LATER)
    assert gaps(conn, "BTC") == [("2024-05-10 00:00", "2024-05-11 00:00"), ("2024-05-11 00:00", "2024-05-12 00:00")]
    assert gap(conn, "BTC", "2024-05-11")["rest_empty_on"] == []


def test_a_gap_that_comes_back_starts_anew(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-10", "2024-05-11")])
    record(conn)
    confirm(conn, "BTC", ("2024-05-10", "2024-05-11"))
    fill(conn, "BTC", "2024-05-10", "2024-05-11")
    record(conn, clock=LATER)
    remove(conn, "BTC", "2024-05-10", "2024-05-11")
    record(conn, clock=at("2024-06-03"))
    back = gap(conn, "BTC", "2024-05-10")
    assert (back["cause"], back["rest_empty_on"], back["attempts"], back["first_seen"]) == ("open", [], 0, CLOCK)


def test_what_retention_took_is_no_gap(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-01", "2024-05-12")])
    conn.execute(
        "INSERT INTO data_gap (symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked)"
        " VALUES ('BTC', '1h', '2024-01-01', '2024-05-10', 3120, 'pruned', '2024-05-30', '2024-05-30')"
    )
    record(conn)
    record(conn, clock=LATER)
    assert gaps(conn, "BTC") == [("2024-01-01 00:00", "2024-05-10 00:00"), ("2024-05-10 00:00", "2024-05-12 00:00")]


def test_gaps_outside_of_the_window_stay_as_they_are(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-05", "2024-05-06"), ("2024-05-20", "2024-05-21")])
    record(conn)
    fill(conn, "BTC", "2024-05-01", "2024-06-01")
    record(conn, window("2024-05-15", "2024-06-01"), LATER)
    assert gaps(conn, "BTC") == [("2024-05-05 00:00", "2024-05-06 00:00")]


def test_only_gaps_wholly_inside_an_empty_answer_are_confirmed(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-05", "2024-05-07"), ("2024-05-20", "2024-05-21")])
    record(conn)
    for day in ("2024-06-01", "2024-06-01", "2024-06-02"):
        confirm(conn, "BTC", ("2024-05-06", "2024-05-21"), day=day)
    confirm(conn, "BTC", ("2024-05-20", "2024-05-21"), by="archive")
    inside = gap(conn, "BTC", "2024-05-20")
    assert inside["rest_empty_on"] == [date(2024, 6, 1), date(2024, 6, 2)]
    assert (inside["archive_empty_on"], inside["attempts"]) == ([date(2024, 6, 1)], 3)
    assert gap(conn, "BTC", "2024-05-05")["attempts"] == 0


def test_a_long_suspension_seen_day_by_day_stays_one_gap(conn: psycopg.Connection) -> None:
    fill(conn, "BTC", "2024-05-01", "2024-06-01", without=[("2024-05-10", "2024-06-01")])
    for day in range(12, 20):
        clock = at(f"2024-05-{day} 02:00")
        lookback = window(f"2024-05-{day - 3:02}", f"2024-05-{day}")
        measuring.measure(conn, [("BTC", "1h")], lookback, clock)
        for source in ("archive", "rest"):
            measuring.record_empty(conn, "BTC", "1h", [lookback], source, clock.date())
    measuring.measure(conn, [("BTC", "1h")], lookback, at("2024-05-19 03:00"))
    measuring.measure(conn, [("BTC", "1h")], lookback, at("2024-05-19 04:00"))
    assert gaps(conn, "BTC") == [("2024-05-10 00:00", "2024-05-18 00:00"), ("2024-05-18 00:00", "2024-05-19 00:00")]
    assert gap(conn, "BTC", "2024-05-10")["cause"] == "suspension"
    assert gap(conn, "BTC", "2024-05-18")["cause"] == "open"


HOURS = 72
START = at("2024-04-29 12:00")
hours = st.integers(0, HOURS)
spans = st.tuples(hours, hours).filter(lambda pair: pair[0] < pair[1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    listed=spans,
    relisted=st.none() | spans,
    steps=st.lists(
        st.tuples(spans, st.frozensets(st.integers(0, HOURS - 1), max_size=HOURS), st.booleans()),
        min_size=1,
        max_size=4,
    ),
)
def test_gaps_are_what_a_naive_count_finds(
    conn: psycopg.Connection,
    listed: tuple[int, int],
    relisted: tuple[int, int] | None,
    steps: list[tuple[tuple[int, int], frozenset[int], bool]],
) -> None:
    """Whatever arrives in whatever order of windows: each expected hour that was asked for is stored or in one gap.

    It is the same whether the caller says what it stored just now without a hole, or all of it is looked for.
    """
    with conn.transaction(force_rollback=True):
        for number, span in enumerate([listed, relisted] if relisted else [listed], 1):
            list_symbol(conn, "X", moment(span[0]), moment(span[1]), number=number)
        conn.execute("SELECT ensure_market_data_partitions('1h', '2024-01-01', '2025-01-01')")
        expected = {hour for span in (listed, relisted) if span for hour in range(*span)}
        stored: set[int] = set()
        asked: set[int] = set()
        for (start, end), arrived, told in steps:
            new = {hour for hour in arrived if start <= hour < end} - stored
            stored |= new
            asked |= set(range(start, end))
            conn.cursor().executemany(
                "INSERT INTO market_data VALUES ('X', '1h', %s, 1, 1, 1, 1, 1, 1, 1, 1, 1)",
                [(at(moment(hour)),) for hour in new],
            )
            full = as_windows(stored & set(range(start, end))) if told else []
            asked_for = Window(at(moment(start)), at(moment(end)))
            measuring.record_gaps(conn, [("X", "1h")], asked_for, CLOCK, full=full)
        naive = as_windows((expected & asked) - stored)
        assert gaps(conn, "X") == [(f"{gap.start:%Y-%m-%d %H:%M}", f"{gap.end:%Y-%m-%d %H:%M}") for gap in naive]


def as_windows(of_hours: set[int]) -> list[Window]:
    return merge(Window(at(moment(hour)), at(moment(hour + 1))) for hour in of_hours)


def moment(hour: int) -> str:
    return (START + timedelta(hours=hour)).strftime("%Y-%m-%d %H:%M")
