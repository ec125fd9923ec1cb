from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.klines.candles import Candles, from_rest, holes, microseconds, moment, runs, split_valid
from include.klines.intervals import TIMEFRAMES, Timeframe
from include.klines.windows import Window, merge, subtract

START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = TIMEFRAMES["1h"]
LATER = datetime(2030, 1, 1, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))


def row(opened: datetime, **changed: Any) -> list[Any]:
    """A row as REST answers it."""
    values: dict[str, Any] = {
        "time": microseconds(opened) // 1000, "open": "10.00000000", "high": "12.50000000", "low": "9.00000000",
        "close": "11.00000000", "volume": "100.00000000", "closed": 0, "quote": "1050.00000000", "trades": 7,
        "taker": "40.00000000", "taker_quote": "420.00000000", "ignore": "0",
    }  # fmt: skip
    return list((values | changed).values())


def hours(count: int, start: datetime = START) -> Candles:
    return from_rest([row(start + timedelta(hours=hour)) for hour in range(count)])


def test_rest_rows_become_columns_in_microseconds() -> None:
    candles = from_rest([row(START, open="0.00001234", trades=3)])
    assert candles.first_open == START
    assert (candles.open[0], candles.high[0], candles.low[0], candles.close[0]) == (0.00001234, 12.5, 9.0, 11.0)
    assert (candles.volume[0], candles.quote_volume[0], candles.trades[0]) == (100.0, 1050.0, 3)
    assert (candles.taker_buy_volume[0], candles.taker_buy_quote_volume[0]) == (40.0, 420.0)
    assert candles.open_time.dtype == candles.trades.dtype == np.int64


def test_microseconds_from_rest_are_understood_by_magnitude() -> None:
    assert from_rest([row(START, time=microseconds(START))]) == from_rest([row(START)])


@given(st.decimals(0, 10**7, places=8))
def test_rest_numbers_are_the_nearest_doubles(value: Any) -> None:
    text = f"{value:.8f}"
    assert from_rest([row(START, close=text)]).close[0] == float(text)


@pytest.mark.parametrize("nothing", [None, ""])
def test_missing_volumes_are_zero(nothing: str | None) -> None:
    candles = from_rest([row(START, volume=nothing, quote=nothing, trades=nothing, taker=nothing, taker_quote=nothing)])
    valid, rejected = split_valid(candles, HOUR, DAY, LATER)
    assert not rejected
    assert (valid.volume[0], valid.quote_volume[0], valid.trades[0], valid.taker_buy_quote_volume[0]) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"time": None}, "the open time is not a time"),
        ({"time": "soon"}, "the open time is not a time"),
        ({"time": 10**30}, "the open time is not a time"),
        ({"time": microseconds(START) // 1000 + 1}, "the open time is not on the 1h grid"),
        ({"time": microseconds(START) // 1000 - 3_600_000}, "the open time is outside the window"),
        ({"open": None}, "a number is missing or not finite"),
        ({"close": ""}, "a number is missing or not finite"),
        ({"high": "ten"}, "a number is missing or not finite"),
        ({"volume": "NaN"}, "a number is missing or not finite"),
        ({"quote": "inf"}, "a number is missing or not finite"),
        ({"low": "-1"}, "a price is negative"),
        ({"high": "10.5"}, "high and low do not bound open and close"),
        ({"low": "10.5"}, "high and low do not bound open and close"),
        ({"volume": "-0.1"}, "a volume is negative"),
        ({"trades": -1}, "a volume is negative"),
        ({"taker_quote": "-1"}, "a volume is negative"),
    ],
)
def test_a_candle_that_breaks_a_rule_is_refused_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    good = START + timedelta(hours=1)
    valid, rejected = split_valid(from_rest([row(START, **changed), row(good)]), HOUR, DAY, LATER, source="rest")
    assert [moment(int(at)) for at in valid.open_time] == [good]
    assert [(candle.reason, candle.source) for candle in rejected] == [(reason, "rest")]
    assert (rejected[0].timestamp is None) == (reason == "the open time is not a time")


def test_a_refused_candle_can_be_written_as_json() -> None:
    _, rejected = split_valid(from_rest([row(START, high="inf", close=None)]), HOUR, DAY, LATER, source="rest")
    as_json = rejected[0].to_json()
    assert as_json["timestamp"] == "2024-03-01T00:00:00+00:00"
    assert (as_json["candle"]["high"], as_json["candle"]["close"], as_json["candle"]["open"]) == ("inf", "nan", 10.0)


def test_the_close_time_decides_nothing() -> None:
    before_open = microseconds(START) // 1000 - 5
    valid, rejected = split_valid(from_rest([row(START, closed=before_open)]), HOUR, DAY, LATER)
    assert (len(valid), rejected) == (1, [])


def test_a_flat_candle_without_volume_is_legal() -> None:
    flat = row(
        START, open="5", high="5", low="5", close="5", volume="0", quote="0", trades=0, taker="0", taker_quote="0"
    )
    assert len(split_valid(from_rest([flat]), HOUR, DAY, LATER)[0]) == 1


@pytest.mark.parametrize(("seconds", "kept"), [(0, 3), (-1, 2), (3599, 3), (3600, 4)])
def test_an_unfinished_candle_is_left_out_and_not_refused(seconds: int, kept: int) -> None:
    clock = START + timedelta(hours=3, seconds=seconds)
    valid, rejected = split_valid(hours(10), HOUR, DAY, clock)
    assert (len(valid), rejected) == (kept, [])


def test_sorting_keeps_the_last_of_several_candles_with_one_open_time() -> None:
    candles = from_rest([row(START + HOUR.delta), row(START, volume="1"), row(START, volume="2")]).sorted_unique()
    assert (list(candles.volume), candles.first_open, candles.last_open) == ([2.0, 100.0], START, START + HOUR.delta)


def test_contradictions_are_candles_that_occur_twice_with_different_values() -> None:
    assert not len(Candles.concat([hours(5), hours(5)]).contradictions())
    other = replace(hours(5), close=np.array([11.0, 11.0, 11.5, 11.0, 11.0]))
    twice = Candles.concat([hours(5), other]).contradictions()
    assert [moment(int(at)) for at in twice] == [START + timedelta(hours=2)]


def test_slicing_is_half_open() -> None:
    part = hours(24).slice(Window(START + timedelta(hours=2), START + timedelta(hours=5)))
    assert (len(part), part.first_open, part.last_open) == (3, START + timedelta(hours=2), START + timedelta(hours=4))
    assert hours(24).slice(DAY) == hours(24)
    assert not len(hours(24).slice(Window(DAY.end, DAY.end + HOUR.delta)))


def test_candles_equal_others_with_the_same_values_only() -> None:
    assert hours(3) == hours(3)
    assert hours(3) != hours(4)
    assert hours(3) != replace(hours(3), trades=np.array([7, 7, 8]))
    assert Candles.concat([]) == Candles.empty() == hours(0)
    assert Candles.empty() != "candles"


def spans(draw: st.DrawFn, timeframe: Timeframe) -> list[Window]:
    """Up to five windows whose borders need not be on the grid, apart from each other and in order."""
    cuts = sorted(draw(st.sets(st.integers(0, 60 * timeframe.seconds), min_size=2, max_size=10)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return [Window(START + timedelta(seconds=a), START + timedelta(seconds=b)) for a, b in pairs]


@st.composite
def series(draw: st.DrawFn) -> tuple[Timeframe, set[int], list[Window]]:
    timeframe = draw(st.sampled_from(list(TIMEFRAMES.values())))
    present = draw(st.sets(st.integers(-3, 63)))
    return timeframe, present, spans(draw, timeframe)


@given(series())
def test_holes_are_exactly_the_grid_opens_without_a_candle(drawn: tuple[Timeframe, set[int], list[Window]]) -> None:
    timeframe, present, windows = drawn
    candles = from_rest([row(START + index * timeframe.delta) for index in present])
    expected = {
        index
        for index in range(64)
        if index not in present and any(START + index * timeframe.delta in window for window in windows)
    }
    found = holes(candles, timeframe, windows)
    assert found == sorted(found)
    opens = [START + index * timeframe.delta for index in range(70)]
    assert {index for index, opened in enumerate(opens) if any(opened in hole for hole in found)} == expected
    assert sum(timeframe.count(hole.start, hole.end) for hole in found) == len(expected)
    if len(windows) == 1:
        assert merge(found) == found, "spans that touch are one span"


@given(st.sampled_from(list(TIMEFRAMES.values())), st.sets(st.integers(0, 63), min_size=1))
def test_runs_are_what_holes_leave(timeframe: Timeframe, present: set[int]) -> None:
    candles = from_rest([row(START + index * timeframe.delta) for index in sorted(present)])
    all_of_it = Window(START, START + 64 * timeframe.delta)
    assert merge(runs(candles, timeframe)) == runs(candles, timeframe), "they do not touch"
    assert runs(candles, timeframe) == subtract(all_of_it, holes(candles, timeframe, [all_of_it]))


def test_no_candles_are_no_run() -> None:
    assert runs(Candles.empty(), TIMEFRAMES["1h"]) == []


@st.composite
def messy_rows(draw: st.DrawFn) -> list[list[Any]]:
    number = st.one_of(
        st.sampled_from(["0", "-1", "NaN", "inf", "-inf", "", None, "x", "1e3"]), st.floats(0, 1e9).map(repr)
    )
    times = st.one_of(
        st.integers(-5, 30).map(lambda hour: microseconds(START) // 1000 + hour * 3_600_000), st.integers()
    )
    rows = st.builds(
        lambda time, *values: [time, *values[:5], None, values[5], values[6], *values[7:], "0"],
        times, number, number, number, number, number, number,
        st.one_of(st.integers(-2, 10**12), st.none()), number, number,
    )  # fmt: skip
    return draw(st.lists(rows, max_size=12))


@given(messy_rows(), st.integers(-1, 30))
def test_what_is_kept_breaks_no_rule_and_nothing_is_lost_unseen(rows: list[list[Any]], clock_hour: int) -> None:
    clock = START + timedelta(hours=clock_hour)
    candles = from_rest(rows)
    valid, rejected = split_valid(candles, HOUR, DAY, clock)
    for index in range(len(valid)):
        found = valid.values(index)
        opened = moment(int(valid.open_time[index]))
        assert opened in DAY
        assert opened == HOUR.floor(opened)
        assert opened + HOUR.delta <= clock
        assert all(isinstance(value, int | float) and value >= 0 for value in found.values())
    assert (valid.low <= np.minimum(valid.open, valid.close)).all()
    assert (valid.high >= np.maximum(valid.open, valid.close)).all()
    first, last = microseconds(DAY.start), microseconds(DAY.end)
    unfinished = sum(
        first <= at < last and at + 3600 * 10**6 > microseconds(clock) for at in candles.open_time.tolist()
    )
    assert len(valid) + len(rejected) + unfinished == len(rows)
