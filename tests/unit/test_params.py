"""What people may write into the form of klines_initial_load, and the sentence they get where it cannot be."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from include.klines import forms
from include.klines.errors import InvalidRequest
from include.klines.params import validate_increment_request, validate_load_request, validate_range_request
from include.klines.windows import Window

CLOCK = datetime(2025, 11, 3, 12, tzinfo=UTC)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def test_an_empty_form_asks_for_the_core_tier_and_the_whole_window() -> None:
    request = validate_load_request({}, clock=CLOCK)
    assert request.symbols == ()
    assert (request.tier, request.source, request.limit) == ("core", "auto", None)
    assert request.timeframes == ("1d", "1h")
    assert request.window == Window(utc(2020, 1, 1), utc(2025, 10, 1))


def test_the_last_day_is_included_and_days_come_before_hours() -> None:
    request = validate_load_request(
        {
            "symbols": "btc, eth,BTC",
            "timeframes": ["1h", "1d"],
            "start": "2024-02-29",
            "end": "2024-02-29",
            "limit": "2",
        },
        clock=CLOCK,
    )
    assert request.symbols == ("BTC", "ETH")
    assert request.timeframes == ("1d", "1h")
    assert request.window == Window(utc(2024, 2, 29), utc(2024, 3, 1))
    assert request.limit == 2


@pytest.mark.parametrize(
    ("end", "years", "start"),
    [("2025-09-30", 2, utc(2023, 10, 1)), ("2024-02-28", 1, utc(2023, 2, 28)), ("2024-12-31", 5, utc(2020, 1, 1))],
)
def test_years_reach_back_from_the_last_day(end: str, years: int, start: datetime) -> None:
    assert validate_load_request({"years": years, "end": end}, clock=CLOCK).window.start == start


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"start": "2024-05-02", "end": "2024-05-01"}, "end 2024-05-01 lies before start 2024-05-02"),
        ({"end": "2025-11-04"}, "lies in the future: the last day that can be asked for is 2025-11-03"),
        ({"start": "2016-01-01"}, "before 2017-07-14, when Binance opened"),
        ({"start": "01.02.2024"}, "start is '01.02.2024', but must be a day such as 2020-01-01"),
        ({"start": "2024-01-01T05:00:00"}, "must be a day such as"),
        ({"timeframes": ["1m"]}, "timeframe 1m is disabled"),
        ({"timeframes": ["1 hour"]}, "timeframe '1 hour' is not known"),
        ({"tier": "best"}, "tier is 'best', but must be one of core, extended, all"),
        ({"source": "ftp"}, "source is 'ftp', but must be one of auto, archive, rest"),
        ({"limit": 0}, "limit is 0, but must be a whole number from 1 to 10000"),
        ({"years": "two"}, "years is 'two', but must be a whole number"),
        ({"years": 3000}, "years is 3000, but must be a whole number from 1 to 50"),
        ({"years": 50}, "start 1975-10-01 lies before 2017-07-14, when Binance opened"),
        ({"years": 1, "end": "9999-12-31"}, "lies in the future"),
        ({"years": 50, "end": "0001-01-01"}, "end 0001-01-01 lies before 2017-07-14, when Binance opened"),
        ({"years": 2, "start": "2024-01-01"}, "start 2024-01-01 and years 2 were both given"),
        ({"symbols": ["BTC", " "]}, "has an entry that is no symbol"),
    ],
)
def test_a_bad_value_gets_one_sentence_that_names_it(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        validate_load_request(params, clock=CLOCK)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_today_may_be_asked_for_as_far_as_it_has_come() -> None:
    assert validate_load_request({"end": "2025-11-03"}, clock=CLOCK).window.end == CLOCK


ENDS = st.sampled_from(["0001-01-01", "9999-12-31", "2017-07-14", "2025-11-02", "2025-11-03"])
DAYS = st.none() | ENDS | st.dates() | st.dates().map(str)
MIDNIGHT = utc(2025, 11, 3)
NUMBERS = st.none() | st.integers() | st.integers().map(str) | st.integers(1, 5000)


WHATEVER = st.fixed_dictionaries(
    {},
    optional={"start": DAYS, "end": DAYS}
    | dict.fromkeys(("years", "days", "limit", "max_attempts", "lookback_days"), NUMBERS),
)


@given(WHATEVER, st.sampled_from([CLOCK, MIDNIGHT]))
@example({"years": 3000}, CLOCK)
@example({"days": 10**7}, CLOCK)
@example({"end": "0001-01-01"}, CLOCK)
@example({"end": "9999-12-31", "years": 1}, CLOCK)
def test_whatever_the_form_holds_is_a_request_or_one_sentence(params: dict[str, object], clock: datetime) -> None:
    for ask in (
        lambda: validate_load_request(params, clock=clock),
        lambda: validate_range_request(params, until=MIDNIGHT),
        lambda: validate_increment_request(params),
    ):
        with suppress(InvalidRequest):
            ask()


@pytest.mark.parametrize(
    "form", [forms.initial_load, forms.daily_increment, forms.weekly_gap_fill, forms.quality_check]
)
def test_every_number_of_a_form_has_both_ends(form: Any) -> None:
    """What Airflow refuses itself never becomes a run."""
    for param in form().values():
        if "integer" in param.schema["type"]:
            assert param.schema["minimum"] == 1
            assert param.schema["maximum"] > 1
