"""How series are put into lanes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from include.klines.load.lanes import Lane, SeriesPlan, plan_lanes
from include.klines.windows import Window

WINDOW = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))


def series(symbols: int, *timeframes: str, window: Window = WINDOW) -> list[SeriesPlan]:
    return [
        SeriesPlan(f"S{number}", f"S{number}USDT", timeframe, (window,))
        for timeframe in timeframes
        for number in range(symbols)
    ]


def test_long_series_get_a_lane_each_and_short_ones_share_in_loading_order() -> None:
    years = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC))
    lanes = plan_lanes(series(2, "1d", "1h", window=years))
    assert [lane.name for lane in lanes] == ["S0, S1 1d", "S0 1h", "S1 1h"]


def test_many_long_series_share_lanes_but_never_leave_a_slot_without_one() -> None:
    years = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC))
    assert [len(lane.series) for lane in plan_lanes(series(8, "1h", window=years))] == [1] * 8
    assert [len(lane.series) for lane in plan_lanes(series(33, "1h", window=years))] == [4] * 8 + [1]
    assert len(plan_lanes(series(450, "1h", window=years))) == 113


def test_450_symbols_in_6_timeframes_stay_under_the_most_lanes_and_lose_no_series() -> None:
    years = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC))
    wanted = series(450, "1d", "4h", "1h", "15m", "5m", "1m", window=years)
    lanes = plan_lanes(wanted)
    assert len(lanes) <= 300
    assert [plan for lane in lanes for plan in lane.series] == wanted
    assert all(len({plan.timeframe for plan in lane.series}) == 1 for lane in lanes)
    assert lanes[0].name.startswith("S0 … S")
    assert len({lane.name for lane in lanes}) == len(lanes)


def test_a_days_increment_of_450_pairs_is_spread_over_at_most_40_lanes() -> None:
    days = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC))
    core = plan_lanes(series(33, "1d", "1h", window=days))
    assert [len(lane.series) for lane in core] == [17, 16, 17, 16], "no lane waits for one that is longer"
    assert len(plan_lanes(series(450, "1d", "1h", window=days))) == 36


def test_a_series_that_was_not_listed_gets_no_lane() -> None:
    unlisted = SeriesPlan("APT", "APTUSDT", "1h", ())
    assert plan_lanes([unlisted, *series(1, "1h")]) == [Lane("S0 1h", tuple(series(1, "1h")))]


def test_a_lane_comes_back_from_json_as_it_was() -> None:
    lane = plan_lanes(series(3, "1h"), most=1)[0]
    assert Lane.from_json(json.loads(json.dumps(lane.to_json()))) == lane
