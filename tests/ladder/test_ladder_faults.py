from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from binance_plugin.errors import Banned, Forbidden, GeoBlocked, RateLimited
from include.klines.ladder.parts import WindowUnavailable
from tests.ladder.conftest import span, steps, utc

if TYPE_CHECKING:
    from tests.ladder.conftest import Ladder

MARCH = ("2024-03-01", "2024-04-01")
MONTH = span(*MARCH)


@pytest.mark.parametrize(
    ("clock", "reason"),
    [("2024-04-01 00:30", "not_published"), ("2024-04-15 23:00", "not_published"), ("2024-04-16 01:00", "missing")],
)
def test_a_404_means_not_published_for_a_while_and_missing_after_it(ladder: Ladder, clock: str, reason: str) -> None:
    ladder.set_clock(clock)
    ladder.exchange.fault("missing", period="2024-03")
    part = ladder.part(*MARCH)
    assert steps(part)[0] == ("archive-monthly", "2024-03", reason)
    assert "archive-daily" in part.source
    assert (part.candles, ladder.holes(part)) == (ladder.truth(*MARCH), [])


def test_the_last_daily_file_is_not_published_and_an_older_one_missing(ladder: Ladder) -> None:
    ladder.set_clock("2024-04-01 00:30")
    ladder.exchange.fault("missing", period="2024-03-20")
    part = ladder.part(*MARCH)
    assert steps(part) == [
        ("archive-monthly", "2024-03", "not_published"),
        ("archive-daily", "2024-03-20", "missing"),
        ("archive-daily", "2024-03-31", "not_published"),
    ]
    assert part.rows == {"archive-daily": 29 * 24, "rest": 12 * 24}, "one page reaches over both days"
    assert part.source == "archive-daily+rest"
    assert part.candles == ladder.truth(*MARCH)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"action": "status", "status": 503}, "server_error"),
        ({"action": "reset"}, "server_error"),
        ({"action": "cut"}, "server_error"),
        ({"action": "wrong_checksum", "kind": "checksum"}, "checksum"),
        ({"action": "corrupt"}, "checksum"),
        ({"action": "corrupt", "good_checksum": True}, "malformed"),
        ({"action": "cut_zip"}, "checksum"),
        ({"action": "cut_zip", "good_checksum": True}, "truncated"),
        ({"action": "missing", "kind": "checksum"}, "checksum_missing"),
        ({"action": "rows", "defect": "short_row"}, "malformed"),
        ({"action": "rows", "defect": "not_a_number"}, "malformed"),
        ({"action": "rows", "defect": "wrong_symbol"}, "refused"),
        ({"action": "rows", "defect": "off_grid"}, "refused"),
        ({"action": "rows", "defect": "outside"}, "refused"),
        ({"action": "rows", "defect": "future"}, "refused"),
        ({"action": "rows", "defect": "differing_duplicate"}, "refused"),
        ({"action": "rows", "defect": "truncated"}, "short"),
        ({"action": "rows", "defect": "missing", "count": 3}, "short"),
        ({"action": "rows", "defect": "nan"}, "short"),
        ({"action": "rows", "defect": "negative"}, "short"),
        ({"action": "rows", "defect": "high_below_low"}, "short"),
    ],
)
def test_each_reason_to_leave_a_monthly_file_is_recorded_and_the_next_rung_fills_in(
    ladder: Ladder, fault: dict[str, Any], reason: str
) -> None:
    ladder.exchange.fault(**({"kind": "archive", "period": "2024-03"} | fault))
    part = ladder.part(*MARCH)
    assert "rest" not in ladder.asked()
    assert steps(part) == [("archive-monthly", "2024-03", reason)]
    assert "BTCUSDT" in part.step_downs[0].detail or reason == "short"
    assert part.candles == ladder.truth(*MARCH)
    assert part.rows["archive-daily"] > 0
    assert ("archive-monthly" in part.rows) == (reason == "short")


@pytest.mark.parametrize("defect", ["duplicate", "unsorted", "header"])
def test_a_file_that_only_looks_odd_is_taken(ladder: Ladder, defect: str) -> None:
    ladder.exchange.fault("rows", defect=defect, period="2024-03")
    part = ladder.part(*MARCH)
    assert (part.source, part.step_downs) == ("archive-monthly", ())
    assert part.candles == ladder.truth(*MARCH)


def test_an_empty_volume_in_a_file_is_zero(ladder: Ladder) -> None:
    ladder.exchange.fault("rows", defect="empty_volume", row=5, period="2024-03")
    part = ladder.part(*MARCH)
    assert (part.candles.volume[5], len(part.candles), part.rejected) == (0, 744, ())


def test_refused_candles_are_kept_with_reason_and_rung_and_looked_for_on_the_next_one(ladder: Ladder) -> None:
    ladder.exchange.fault("rows", defect="negative", row=30, period="2024-03")
    part = ladder.part(*MARCH)
    assert [(candle.source, candle.timestamp) for candle in part.rejected] == [
        ("archive-monthly", utc("2024-03-02 06:00"))
    ]
    assert "negative" in part.rejected[0].reason
    assert len(part.candles) == 744


def test_a_hole_that_a_refused_candle_leaves_is_not_confirmed_empty(ladder: Ladder) -> None:
    ladder.exchange.fault("rows", defect="high_below_low", row=6)
    part = ladder.part("2024-03-05", "2024-03-06")
    assert ladder.holes(part) == [span("2024-03-05 06:00", "2024-03-05 07:00")]
    assert {candle.source for candle in part.rejected} == {"rest", "archive-daily"}
    assert (part.empty_by_rest, part.empty_by_archive) == ((), ())


def test_rest_is_the_last_rung_where_no_file_can_be_had(ladder: Ladder) -> None:
    ladder.exchange.fault("status", status=503, kind="archive")
    part = ladder.part(*MARCH)
    assert steps(part) == [
        ("archive-monthly", "2024-03", "server_error"),
        ("archive-daily", "2024-03-01..2024-03-31", "server_error"),
    ]
    assert (part.source, part.candles) == ("rest", ladder.truth(*MARCH))


def test_the_archive_may_be_whole_while_rest_is_down(ladder: Ladder) -> None:
    ladder.exchange.fault("status", status=503, kind="klines")
    assert ladder.part(*MARCH).source == "archive-monthly"


def test_a_small_window_falls_back_to_the_daily_files_while_rest_is_down(ladder: Ladder) -> None:
    ladder.exchange.fault("status", status=503, kind="klines")
    part = ladder.part("2025-10-05", "2025-10-06")
    assert (part.source, len(part.candles)) == ("archive-daily", 24)
    assert [step[2] for step in steps(part)] == ["server_error"]


def test_a_window_that_every_rung_fails_is_an_error_with_each_reason(ladder: Ladder) -> None:
    ladder.exchange.fault("status", status=503, kind="klines")
    ladder.exchange.fault("wrong_checksum", symbol="BTCUSDT")
    with pytest.raises(WindowUnavailable) as failure:
        ladder.parts(*MARCH)
    assert str(failure.value).startswith(
        "BTCUSDT 1h [2024-03-01 00:00, 2024-04-01 00:00): 744 candles, the first at 2024-03-01 00:00, could not be had"
    )
    for words in (
        "archive-monthly 2024-03: checksum",
        "archive-daily 2024-03-01..2024-03-31: checksum",
        "server_error",
    ):
        assert words in str(failure.value)
    assert failure.value.window == MONTH
    copy = pickle.loads(pickle.dumps(failure.value))
    assert (str(copy), copy.window, copy.step_downs) == (str(failure.value), MONTH, failure.value.step_downs)


def test_holes_that_rest_could_not_confirm_are_an_error_and_not_a_success(ladder: Ladder) -> None:
    ladder.exchange.fault("status", status=503, kind="klines")
    with pytest.raises(WindowUnavailable, match="6 candles, the first at 2020-02-09 02:00"):
        ladder.parts("2020-02-01", "2020-03-01")


def test_without_rest_a_file_that_fails_is_an_error_and_one_that_is_not_there_a_hole(ladder: Ladder) -> None:
    ladder.exchange.fault("missing", symbol="BTCUSDT")
    part = ladder.part(*MARCH, source="archive")
    assert ladder.holes(part) == [MONTH]
    assert part.empty_by_archive == ()
    assert steps(part)[-1] == ("archive-daily", "2024-03-01..2024-03-31", "missing")
    ladder.exchange.fault("status", status=500, kind="archive", symbol="ETHUSDT")
    with pytest.raises(WindowUnavailable, match=r"ETHUSDT 1h .* 744 candles"):
        ladder.parts(*MARCH, pair="ETHUSDT", source="archive")


def test_a_failing_monthly_file_does_not_matter_once_the_days_are_there(ladder: Ladder) -> None:
    ladder.exchange.fault("corrupt", period="2020-02")
    part = ladder.part("2020-02-01", "2020-03-01", source="archive")
    assert part.source == "archive-daily"
    assert [hole.start for hole in part.empty_by_archive] == [utc("2020-02-09 02:00"), utc("2020-02-19 12:00")]


def test_a_daily_file_that_fails_does_not_confirm_a_hole(ladder: Ladder) -> None:
    ladder.exchange.fault("status", status=500, kind="archive", period="2020-02-09")
    part = ladder.part("2020-02-01", "2020-03-01")
    first, second = span("2020-02-09 02:00", "2020-02-09 03:00"), span("2020-02-19 12:00", "2020-02-19 17:00")
    assert part.empty_by_rest == (first, second)
    assert part.empty_by_archive == (second,)


@pytest.mark.parametrize("source", ["auto", "rest"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"action": "geo"}, GeoBlocked),
        ({"action": "forbidden", "kind": "klines"}, Forbidden),
        ({"action": "ban", "seconds": 7200}, Banned),
        ({"action": "limit", "retry_after": 7200}, RateLimited),
    ],
)
def test_limits_and_locks_are_passed_on_as_they_are(
    ladder: Ladder, fault: dict[str, Any], error: type[Exception], source: str
) -> None:
    ladder.exchange.fault(**fault)
    with pytest.raises(error):
        ladder.parts("2025-12-01", "2026-01-15", source=source)


def test_a_pair_that_rest_no_longer_knows_is_had_from_the_archive(ladder: Ladder) -> None:
    life = [span("2020-01-01", "2021-04-05 03:00")]
    parts = ladder.parts("2021-02-01", "2021-05-01", pair="NPXSUSDT", listed=life)
    assert [len(part.candles) for part in parts] == [28 * 24 - 1, 31 * 24 - 1, 4 * 24 + 3]
    outages = [span("2021-02-11 04:00", "2021-02-11 05:00"), span("2021-03-06 02:00", "2021-03-06 03:00")]
    for part, outage in zip(parts[:2], outages, strict=True):
        assert [step[2] for step in steps(part)] == ["short", "short", "bad_symbol"]
        assert (part.empty_by_rest, part.empty_by_archive) == ((), (outage,))
    assert ladder.exchange.count(kind="klines") == 1, "an unknown pair is not asked for again"


def test_a_pair_that_nobody_knows_is_an_error(ladder: Ladder) -> None:
    with pytest.raises(WindowUnavailable, match=r"NOPEUSDT 1h .*bad_symbol"):
        ladder.parts(*MARCH, pair="NOPEUSDT")
    with pytest.raises(WindowUnavailable, match="bad_symbol"):
        ladder.parts("2026-01-10", "2026-01-12", pair="NOPEUSDT", source="rest")


def test_rows_that_rest_adds_beside_the_window_are_refused_and_the_others_taken(ladder: Ladder) -> None:
    ladder.exchange.fault("rows", defect="outside", kind="klines")
    part = ladder.part("2026-01-10", "2026-01-12")
    assert len(part.candles) == 48
    assert [candle.reason for candle in part.rejected] == ["the open time is outside the window"]


def test_a_malformed_answer_of_rest_is_a_reason(ladder: Ladder) -> None:
    ladder.exchange.fault("malformed", kind="klines")
    with pytest.raises(WindowUnavailable, match=r"rest 2026-01-10 00:00\.\.2026-01-12 00:00: malformed"):
        ladder.parts("2026-01-10", "2026-01-12", source="rest")
