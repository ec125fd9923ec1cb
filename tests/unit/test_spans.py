from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from include.klines.errors import InvalidRequest
from include.klines.params import validate_increment_request
from include.klines.spans import clock_of, increment_span, last_midnight, month_before


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def run(kind: str = "scheduled", logical: str | None = None, start: str | None = None, end: str | None = None) -> Any:
    return SimpleNamespace(
        run_after=NOW,
        run_type=kind,
        logical_date=logical and utc(logical),
        data_interval_start=start and utc(start),
        data_interval_end=end and utc(end),
    )


NOW = utc("2026-03-01 02:03")
DAY = run("scheduled", "2025-11-05 02:00", "2025-11-05 02:00", "2025-11-06 02:00")
BY_HAND = run("manual", "2026-01-12 15:20", "2026-01-11 02:00", "2026-01-12 02:00")


def test_a_scheduled_or_backfilled_run_is_about_its_data_interval_whenever_it_runs() -> None:
    for kind in ("scheduled", "backfill"):
        one = run(kind, "2025-11-05 02:00", "2025-11-05 02:00", "2025-11-06 02:00")
        assert str(increment_span(one, NOW)) == "[2025-11-05 02:00, 2025-11-06 02:00)"
        assert last_midnight(one, NOW) == utc("2025-11-06")


def test_a_run_made_by_hand_goes_up_to_its_logical_date() -> None:
    assert str(increment_span(BY_HAND, NOW)) == "[2026-01-11 15:20, 2026-01-12 15:20)"


def test_a_run_without_a_date_goes_up_to_now() -> None:
    assert str(increment_span(run("manual"), NOW)) == "[2026-02-28 02:03, 2026-03-01 02:03)"
    assert str(month_before(run("manual"), NOW)) == "[2026-02-01 00:00, 2026-03-01 00:00)"


def test_a_run_judges_by_the_time_it_goes_up_to_else_by_when_it_was_asked_for() -> None:
    assert clock_of(DAY) == utc("2025-11-06 02:00")
    assert clock_of(BY_HAND) == utc("2026-01-12 15:20")
    assert clock_of(run("manual")) == NOW


def test_an_exchange_whose_clock_is_behind_ends_the_span_which_is_never_empty() -> None:
    assert str(increment_span(DAY, utc("2025-11-06 00:03"))) == "[2025-11-05 02:00, 2025-11-06 00:03)"
    assert str(increment_span(DAY, utc("2025-11-04 00:03"))) == "[2025-11-03 00:03, 2025-11-04 00:03)"


def test_the_month_before_a_year_begins_is_december() -> None:
    first = run("scheduled", "2025-12-01 05:00", "2025-12-01 05:00", "2026-01-01 05:00")
    assert str(month_before(first, NOW)) == "[2025-12-01 00:00, 2026-01-01 00:00)"


def test_a_lookback_is_bounded() -> None:
    assert validate_increment_request({}).lookback.days == 2
    with pytest.raises(InvalidRequest, match="lookback_days is 31, but must be a whole number from 1 to 30"):
        validate_increment_request({"lookback_days": 31})
    with pytest.raises(InvalidRequest, match="lookback_days is 0"):
        validate_increment_request({"lookback_days": 0})
