from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest

from binance_plugin.client import BinanceClient
from include.klines.candles import Candles
from include.klines.errors import InvalidRequest
from include.klines.ladder.archive_csv import from_archive_csv
from include.klines.windows import days, month_of
from tests.ladder.conftest import Ladder, span, steps, utc

if TYPE_CHECKING:
    from pathlib import Path

    from tests.exchange import Exchange

OUTAGE = span("2020-02-19 12:00", "2020-02-19 17:00")


def test_a_closed_month_comes_from_its_monthly_file_alone(ladder: Ladder) -> None:
    part = ladder.part("2024-03-01", "2024-04-01")
    assert ladder.asked() == ["2024-03"]
    assert (part.source, part.rows, len(part.candles)) == ("archive-monthly", {"archive-monthly": 744}, 744)
    assert (part.step_downs, part.rejected, part.empty_by_rest, part.empty_by_archive) == ((), (), (), ())
    assert part.candles == ladder.truth("2024-03-01", "2024-04-01")


def test_a_file_that_was_taken_is_described(ladder: Ladder) -> None:
    (file,) = ladder.part("2024-03-01", "2024-04-01").files
    assert file.url.endswith("/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-03.zip")
    assert (file.rows, file.covers, len(file.sha256)) == (744, span("2024-03-01", "2024-04-01"), 64)
    assert file.last_modified is not None
    assert file.last_modified.tzinfo is UTC
    assert file.to_json()["covers_end"] == "2024-04-01T00:00:00+00:00"


@pytest.mark.parametrize("timeframe", ["1m", "15m", "4h", "1d"])
def test_all_timeframes_come_the_same_way(ladder: Ladder, timeframe: str) -> None:
    part = ladder.part("2024-03-01", "2024-04-01", timeframe)
    assert part.source == "archive-monthly"
    assert part.candles == ladder.truth("2024-03-01", "2024-04-01", timeframe)


def test_parts_are_calendar_months_that_tile_the_window_in_order(ladder: Ladder) -> None:
    parts = ladder.parts("2024-11-10", "2025-02-20", listed=[span("2024-12-05", "2025-03-01")])
    assert [str(part.window) for part in parts] == [
        "[2024-11-10 00:00, 2024-12-01 00:00)",
        "[2024-12-01 00:00, 2025-01-01 00:00)",
        "[2025-01-01 00:00, 2025-02-01 00:00)",
        "[2025-02-01 00:00, 2025-02-20 00:00)",
    ]
    assert [part.source for part in parts] == ["none", *["archive-monthly"] * 3]
    assert ladder.asked() == ["2024-12", "2025-01", "2025-02"], "and nothing is asked of the month before the listing"


def test_the_switch_to_microseconds_is_seamless(ladder: Ladder) -> None:
    together = Candles.concat([part.candles for part in ladder.parts("2024-12-01", "2025-02-01")])
    assert together == ladder.truth("2024-12-01", "2025-02-01")
    assert len(together) == 62 * 24


def test_a_known_hole_costs_no_request_and_is_not_judged(ladder: Ladder) -> None:
    part = ladder.part("2020-02-10", "2020-03-01", known_holes=[OUTAGE])
    assert ladder.asked() == ["2020-02"]
    assert ladder.holes(part) == [OUTAGE]
    assert (part.step_downs, part.empty_by_rest, part.empty_by_archive) == ((), (), ())


def test_a_short_month_is_checked_against_the_days_it_lacks_and_then_rest(ladder: Ladder) -> None:
    part = ladder.part("2020-02-01", "2020-03-01")
    assert ladder.asked() == ["2020-02", "2020-02-09", "2020-02-19", "rest"], "one page reaches over both holes"
    assert steps(part) == [
        ("archive-monthly", "2020-02", "short"),
        ("archive-daily", "2020-02-09..2020-02-19", "short"),
    ]
    assert "6 candles are not in it, the first at 2020-02-09 02:00" in part.step_downs[0].detail
    outages = (span("2020-02-09 02:00", "2020-02-09 03:00"), OUTAGE)
    assert (part.empty_by_rest, part.empty_by_archive) == (outages, outages)
    assert part.candles == ladder.truth("2020-02-01", "2020-03-01")


def test_nothing_is_asked_outside_the_listing(ladder: Ladder) -> None:
    life = span("2024-01-01", "2024-09-10 03:00")
    part = ladder.part("2024-09-01", "2024-10-01", pair="MATICUSDT", listed=[life])
    assert ladder.asked() == ["2024-09"]
    assert (len(part.candles), part.step_downs) == (9 * 24 + 3, ())
    assert ladder.parts("2024-10-01", "2024-12-01", pair="MATICUSDT", listed=[life])[0].source == "none"
    assert ladder.asked() == []


def test_a_listing_in_the_middle_of_a_candle_wants_that_candle(ladder: Ladder) -> None:
    listed = [span("2020-08-11 06:00", "2026-01-15")]
    part = ladder.part("2020-08-01", "2020-09-01", "4h", pair="SOLUSDT", listed=listed)
    assert part.candles.first_open == utc("2020-08-11 04:00")
    assert part.step_downs == ()


@pytest.mark.parametrize("day", ["2020-12-21", "2021-09-29"])
def test_the_days_on_which_monthly_files_are_wrong_come_from_the_daily_file(ladder: Ladder, day: str) -> None:
    month = month_of(utc(day))
    start, end = f"{month.start:%Y-%m-%d}", f"{month.end:%Y-%m-%d}"
    stale = ladder.part(start, end, "1d").candles
    assert ladder.asked() == [day[:7], day]
    assert stale == ladder.truth(start, end, "1d")
    part = ladder.part(start, end)
    assert part.source.startswith("archive-monthly+archive-daily")
    assert ("archive-monthly", day, "known_wrong") in steps(part)
    truth = ladder.truth(start, end)
    archive_only = [utc("2020-12-21 14:00")] if day == "2020-12-21" else []
    extra = sorted(set(part.candles.open_time.tolist()) - set(truth.open_time.tolist()))
    assert [at.timestamp() * 10**6 for at in archive_only] == extra
    without = part.candles.without([span("2020-12-21 14:00", "2020-12-21 15:00")])
    assert without == truth


def test_a_wrong_day_is_not_taken_from_the_monthly_file_even_where_nothing_else_has_it(ladder: Ladder) -> None:
    ladder.exchange.fault("missing", period="2021-09-29")
    part = ladder.part("2021-09-01", "2021-10-01", source="archive")
    assert span("2021-09-29", "2021-09-30") in ladder.holes(part)
    assert part.empty_by_archive == ()


def test_where_rungs_disagree_the_finer_one_is_right(ladder: Ladder) -> None:
    ladder.exchange.fault("rows", defect="missing", row=100, period="2024-03")
    ladder.exchange.fault("rows", defect="empty_volume", row=7, period="2024-03-05")
    part = ladder.part("2024-03-01", "2024-04-01")
    at = int((utc("2024-03-05 07:00") - utc("2024-03-01")) / timedelta(hours=1))
    assert (part.source, len(part.candles)) == ("archive-monthly+archive-daily", 744)
    assert part.candles.volume[at] == 0


def test_the_open_month_comes_by_rest_in_one_page_without_the_unfinished_candle(ladder: Ladder) -> None:
    part = ladder.part("2026-01-01", "2026-02-01")
    assert ladder.asked() == ["rest"]
    assert (part.source, len(part.candles)) == ("rest", 14 * 24)
    assert part.candles.last_open == utc("2026-01-14 23:00")
    assert (part.empty_by_rest, part.step_downs) == ((), ())


def test_an_open_month_of_many_candles_comes_as_daily_files_and_its_last_day_by_rest(ladder: Ladder) -> None:
    ladder.set_clock("2026-01-04 00:30")
    part = ladder.part("2026-01-01", "2026-02-01", "1m")
    assert ladder.asked() == ["2026-01-01", "2026-01-02", "2026-01-03", "rest", "rest"]
    assert steps(part) == [
        ("archive-monthly", "2026-01", "too_recent"),
        ("archive-daily", "2026-01-03", "not_published"),
        ("archive-daily", "2026-01-04", "too_recent"),
    ]
    assert part.source == "archive-daily+rest"
    assert part.candles == ladder.truth("2026-01-01", "2026-02-01", "1m")
    assert part.candles.last_open == utc("2026-01-04 00:29")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-14", "2026-01-15"),  # an increment of the open month
        ("2025-12-30", "2025-12-31"),  # of a month that ended a moment ago
        ("2025-10-05", "2025-10-06"),  # of one being caught up
        ("2021-05-05 03:00", "2021-05-05 05:00"),  # a repair
    ],
)
def test_a_small_window_costs_one_rest_request_and_nothing_else(ladder: Ladder, start: str, end: str) -> None:
    part = ladder.part(start, end)
    assert ladder.asked() == ["rest"]
    assert (part.source, part.step_downs, ladder.holes(part)) == ("rest", (), [])


def test_a_small_window_over_two_months_costs_one_rest_request(ladder: Ladder) -> None:
    parts = ladder.parts("2025-12-31", "2026-01-02")
    assert ladder.asked() == ["rest"]
    assert [(part.source, len(part.candles)) for part in parts] == [("rest", 24), ("rest", 24)]


def test_a_hole_in_a_small_window_is_looked_up_in_the_daily_file_once_that_is_sure_to_be_there(ladder: Ladder) -> None:
    ladder.exchange.fault("hide", start="2025-10-05T03:00:00Z", end="2025-10-05T05:00:00Z")
    hole = span("2025-10-05 03:00", "2025-10-05 05:00")
    part = ladder.part("2025-10-05", "2025-10-06")
    assert ladder.asked() == ["2025-10-05", "rest"]
    assert (part.empty_by_rest, part.empty_by_archive) == ((hole,), (hole,))
    ladder.exchange.clear_faults()
    ladder.exchange.fault("hide", start="2026-01-14T03:00:00Z", end="2026-01-14T05:00:00Z")
    recent = ladder.part("2026-01-14", "2026-01-15")
    assert ladder.asked() == ["rest"]
    assert recent.empty_by_rest == (span("2026-01-14 03:00", "2026-01-14 05:00"),)
    assert recent.empty_by_archive == ()


def test_the_candle_that_only_the_archive_has_is_found_by_a_repair(ladder: Ladder) -> None:
    part = ladder.part("2020-12-21 14:00", "2020-12-21 15:00")
    assert ladder.asked() == ["2020-12-21", "rest"]
    assert (part.source, len(part.candles), part.empty_by_rest) == ("archive-daily", 1, ())


def test_a_cut_daily_file_is_completed_by_rest(ladder: Ladder) -> None:
    ladder.set_clock("2025-04-26 00:30")
    part = ladder.part("2025-04-01", "2025-05-01", "1m")
    assert ("archive-daily", "2025-04-22", "short") in steps(part)
    assert part.candles == ladder.truth("2025-04-01", "2025-05-01", "1m")


def test_source_archive_never_asks_rest_and_leaves_holes(ladder: Ladder) -> None:
    part = ladder.part("2020-02-01", "2020-03-01", source="archive")
    assert ladder.asked() == ["2020-02", "2020-02-09", "2020-02-19"]
    assert part.empty_by_archive == (span("2020-02-09 02:00", "2020-02-09 03:00"), OUTAGE)
    assert part.empty_by_rest == ()
    open_month = ladder.part("2026-01-13", "2026-02-01", source="archive")
    assert open_month.source == "archive-daily"
    assert ladder.holes(open_month) == [span("2026-01-14", "2026-02-01")]
    assert open_month.empty_by_archive == ()
    assert "rest" not in ladder.asked()


def test_source_rest_pages_across_months_without_wasting_a_request(ladder: Ladder) -> None:
    parts = ladder.parts("2023-01-01", "2026-01-01", "1d", source="rest")
    assert ladder.asked() == ["rest", "rest"], "1,096 candles are two pages, however many months"
    together = Candles.concat([part.candles for part in parts])
    assert len(parts) == 36
    assert {part.source for part in parts} == {"rest"}
    assert together == ladder.truth("2023-01-01", "2026-01-01", "1d")


def test_source_rest_asks_over_known_holes_rather_than_around_them(ladder: Ladder) -> None:
    known = [span("2020-02-09 02:00", "2020-02-09 03:00"), OUTAGE]
    parts = ladder.parts("2020-02-01", "2020-05-01", source="rest", known_holes=known)
    assert len(ladder.asked()) == 3
    assert Candles.concat([part.candles for part in parts]) == ladder.truth("2020-02-01", "2020-05-01")
    assert parts[0].empty_by_rest == ()
    assert parts[1].empty_by_rest == (span("2020-03-04 10:00", "2020-03-04 11:00"),)


def test_source_rest_goes_on_behind_a_suspension_of_months(ladder: Ladder) -> None:
    parts = ladder.parts("2022-11-01", "2023-12-01", pair="FTTUSDT", source="rest")
    assert Candles.concat([part.candles for part in parts]) == ladder.truth("2022-11-01", "2023-12-01", pair="FTTUSDT")
    empty = [hole for part in parts for hole in part.empty_by_rest]
    assert (empty[0].start, empty[0].end) == (utc("2022-11-15 03:00"), utc("2022-12-01"))
    assert sum(part.source == "none" for part in parts) == 9


def test_a_suspension_of_months_costs_few_requests_and_is_confirmed_by_rest(ladder: Ladder) -> None:
    part = ladder.part("2023-03-01", "2023-04-01", pair="FTTUSDT")
    asked = ladder.asked()
    assert (asked[0], asked[-1]) == ("2023-03", "rest")
    assert 5 <= len(asked) - 2 < 10, "daily files are given up after some that are missing"
    assert [step[2] for step in steps(part)] == ["missing", "missing"]
    assert part.empty_by_rest == (span("2023-03-01", "2023-04-01"),)
    assert part.empty_by_archive == (), "a 404 is never no data"


def test_what_lies_in_the_future_is_not_asked_for(ladder: Ladder) -> None:
    parts = ladder.parts("2026-02-01", "2026-04-01")
    assert ladder.asked() == []
    assert [part.source for part in parts] == ["none", "none"]


def test_a_pair_whose_name_is_not_ascii_loads_like_any_other(ladder: Ladder) -> None:
    pair = "币安人生USDT"
    ladder.set_clock("2026-02-20")
    part = ladder.part("2026-01-01", "2026-02-01", pair=pair, listed=[span("2026-01-07 12:00", "2026-02-20")])
    assert part.source == "archive-monthly"
    assert part.candles == ladder.truth("2026-01-01", "2026-02-01", pair=pair)
    assert ladder.part("2026-02-10", "2026-02-11", pair=pair).source == "rest"


def test_an_unknown_source_is_refused_before_anything_is_asked(ladder: Ladder) -> None:
    with pytest.raises(InvalidRequest, match="'ftp' of BTC is not known: use auto, archive or rest"):
        ladder.parts("2024-03-01", "2024-04-01", source="ftp")


def test_recorded_archive_files_load_across_the_switch_to_microseconds(
    replayed_exchange: Exchange, recordings: Path
) -> None:
    ladder = Ladder(replayed_exchange)
    ladder.client = BinanceClient.from_url(replayed_exchange.url)
    ladder.clock = ladder.client.server_time()
    parts = ladder.parts("2024-11-01", "2025-06-01")
    assert [part.source for part in parts] == ["archive-monthly"] * 7
    assert [part.step_downs for part in parts] == [()] * 7
    for part in parts:
        name = f"BTCUSDT-1h-{part.window.start:%Y-%m}"
        text = (recordings / "archive_csv" / f"{name}.csv").read_bytes()
        assert part.candles == from_archive_csv(text, name)
        assert len(part.candles) == 24 * len(list(days(part.window)))
