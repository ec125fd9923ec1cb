from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from include.klines.quality.measuring import SeriesCoverage
from include.local import report
from include.local.load_run import Failure, Snapshot
from include.local.progress import RateMeter, describe, duration


def shown(snapshot: Snapshot) -> str:
    return describe(snapshot, 1234.5, 65.0)


def test_a_line_tells_lanes_candles_rate_and_time_left() -> None:
    snapshot = Snapshot("running", lanes=4, lanes_done=1, fetched=50_369, expected=104_000, accounted=50_400)
    assert shown(snapshot) == "lanes 1/4, 50,369 candles, 1,234/s, 1 min 5 s left"


def test_failed_and_waiting_lanes_are_told() -> None:
    snapshot = Snapshot("running", lanes=4, lanes_done=1, lanes_failed=1, lanes_waiting=2)
    assert shown(snapshot).endswith("2 to be tried again, 1 failed")


def test_before_there_are_lanes_the_step_is_told() -> None:
    assert shown(Snapshot("queued")) == "waiting for the scheduler"
    assert shown(Snapshot("running", step="choose_scope")) == "choose_scope"


def test_the_rate_does_not_fade_after_the_last_candle() -> None:
    now = [0.0]
    meter = RateMeter(lambda: now[0])
    loading = Snapshot("running", lanes=1, expected=1000)
    meter.read(loading)
    now[0] = 2.0
    loading.fetched = loading.accounted = 1000
    assert meter.read(loading)[0] == 500
    now[0] = 60.0
    loading.lanes_done = 1
    assert meter.read(loading)[0] == 500


def test_the_time_left_follows_the_pace_so_far() -> None:
    now = [0.0]
    meter = RateMeter(lambda: now[0])
    meter.read(Snapshot("running", lanes=2, expected=1000))
    now[0] = 4.0
    assert meter.read(Snapshot("running", lanes=2, expected=1000, fetched=250, accounted=250)) == (62.5, 12.0)


def test_durations_read_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (45, 200, 7500)] == ["45 s", "3 min 20 s", "2 h 5 min"]


def table(*rows: SeriesCoverage) -> str:
    console = Console(file=io.StringIO(), width=160)
    report.show_coverage(console, rows, "Stored")
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO


def test_one_missing_candle_in_a_million_is_not_shown_as_complete() -> None:
    day = datetime(2020, 1, 1, tzinfo=UTC)
    text = table(SeriesCoverage("BTC", "1m", day, day, 999_999, 1_000_000, 0, {"open": 1}, {"open": 1}))
    assert "99.999 %" in text
    assert "100 %" not in text
    assert "1 open" in text


def test_a_series_complete_but_for_outages_is_complete_when_adjusted() -> None:
    day = datetime(2020, 1, 1, tzinfo=UTC)
    text = table(SeriesCoverage("BTC", "1h", day, day, 69, 100, 31, {"exchange_outage": 2}, {"exchange_outage": 31}))
    assert "69.000 %" in text
    assert "100 %" in text
    assert "31 exchange outage" in text


def test_failures_are_listed_with_their_reasons() -> None:
    console = Console(file=io.StringIO(), width=160)
    report.show_failures(console, [Failure("BTC 1h, 2020-01-01 to 2021-01-01", "503 [from the archive]")], loaded=True)
    assert "BTC 1h, 2020-01-01 to 2021-01-01: 503 [from the archive]" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_a_run_that_changed_nothing_says_so() -> None:
    console = Console(file=io.StringIO(), width=160)
    report.show_changes(console, Snapshot("success", unchanged=5, requests=3))
    assert "Nothing changed" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
