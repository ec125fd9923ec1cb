"""Windows and timeframes against a naive oracle: sets of single grid opens."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.klines.errors import InvalidRequest
from include.klines.intervals import TIMEFRAMES, parse_timeframe
from include.klines.windows import Window, chunks, day_of, days, merge, month_of, months, subtract

START = datetime(2020, 2, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(window: Window) -> set[datetime]:
    return {window.start + HOUR * n for n in range((window.end - window.start) // HOUR)}


def windows_of_hours() -> st.SearchStrategy[Window]:
    return st.tuples(st.integers(0, 200), st.integers(1, 60)).map(
        lambda span: Window(START + HOUR * span[0], START + HOUR * (span[0] + span[1]))
    )


@given(st.lists(windows_of_hours(), max_size=12))
def test_merging_keeps_every_hour_and_leaves_no_two_windows_that_touch(windows: list[Window]) -> None:
    merged = merge(windows)
    assert set().union(*map(hours, merged)) == set().union(*map(hours, windows))
    assert all(before.end < after.start for before, after in itertools.pairwise(merged))


@given(windows_of_hours(), st.lists(windows_of_hours(), max_size=12))
def test_what_is_subtracted_and_what_is_left_make_the_whole(window: Window, taken: list[Window]) -> None:
    left = set().union(*map(hours, subtract(window, taken)))
    assert left == hours(window) - set().union(*map(hours, taken))


@given(windows_of_hours(), windows_of_hours())
def test_two_windows_share_exactly_their_common_hours(one: Window, other: Window) -> None:
    shared = one.intersect(other)
    assert (hours(shared) if shared else set()) == hours(one) & hours(other)


@pytest.mark.parametrize(
    "cut", [months, days, lambda window: chunks(window, "year"), lambda window: chunks(window, "all")]
)
@given(window=windows_of_hours())
def test_cutting_loses_nothing_and_overlaps_nowhere(cut, window: Window) -> None:  # type: ignore[no-untyped-def]  # any of four
    parts = list(cut(window))
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    assert all(before.end == after.start for before, after in itertools.pairwise(parts))


def test_a_leap_year_is_cut_at_its_29_february() -> None:
    whole = Window(datetime(2020, 1, 31, tzinfo=UTC), datetime(2020, 3, 2, tzinfo=UTC))
    assert [str(part) for part in months(whole)] == [
        "[2020-01-31 00:00, 2020-02-01 00:00)",
        "[2020-02-01 00:00, 2020-03-01 00:00)",
        "[2020-03-01 00:00, 2020-03-02 00:00)",
    ]
    assert day_of(datetime(2020, 2, 29, 12, tzinfo=UTC)).end == datetime(2020, 3, 1, tzinfo=UTC)
    assert month_of(datetime(2023, 12, 31, 23, tzinfo=UTC)).end == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_window_without_time_zone_or_without_length_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no time zone"):
        Window(datetime(2020, 1, 1), datetime(2020, 1, 2))  # noqa: DTZ001 – the point of the test
    with pytest.raises(InvalidRequest, match="end after it starts"):
        Window(START, START)


def test_an_unknown_chunk_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="month, year or all"):
        list(chunks(Window(START, START + HOUR), "week"))


@given(
    st.sampled_from(sorted(TIMEFRAMES)),
    st.integers(0, 86_400 * 3).map(lambda seconds: START + timedelta(seconds=seconds)),
    st.integers(0, 86_400 * 2).map(lambda seconds: timedelta(seconds=seconds)),
)
def test_a_window_counts_the_grid_opens_inside_it(name: str, start: datetime, length: timedelta) -> None:
    timeframe = parse_timeframe(name)
    first = timeframe.floor(start)
    assert first <= start < first + timeframe.delta
    assert timeframe.ceil(start) in (first, first + timeframe.delta)
    grid = [first + timeframe.delta * n for n in range(length // timeframe.delta + 2)]
    assert timeframe.count(start, start + length) == sum(start <= moment < start + length for moment in grid)


def test_the_initial_window_has_the_hours_and_days_it_should() -> None:
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC)
    assert TIMEFRAMES["1d"].count(start, end) == 2_100
    assert TIMEFRAMES["1h"].count(start, end) == 50_400


def test_an_unknown_timeframe_names_its_neighbour() -> None:
    with pytest.raises(InvalidRequest, match="did you mean 1h"):
        parse_timeframe("1H")
