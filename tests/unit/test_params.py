"""What people may write into the form of klines_initial_load, and the sentence they get where it cannot be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.klines.errors import InvalidRequest
from include.klines.params import validate_load_request
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
        ({"limit": 0}, "limit is 0, but must be a whole number of at least 1"),
        ({"years": "two"}, "years is 'two', but must be a whole number"),
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
