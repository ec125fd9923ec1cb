"""Candles of a week: from Monday, made of the hours of seven days, by REST only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.exchange_tests.ask import Rows, file_path, get, klines, ms

if TYPE_CHECKING:
    from tests.exchange import Exchange

WEEK = 7 * 86_400_000


def monday(open_time: int) -> int:
    """The Monday (milliseconds) of the week that a candle opens in."""
    day = datetime.fromtimestamp(open_time / 1000, UTC).date()
    return ms((day - timedelta(days=day.weekday())).isoformat())


def weeks_of(rows: Rows) -> Rows:
    """Weeks from shorter candles, in exact decimals: all twelve items."""
    found: dict[int, Rows] = {}
    for row in rows:
        found.setdefault(monday(row[0]), []).append(row)
    weeks: Rows = []
    for opened, parts in found.items():
        high, low = max((row[2] for row in parts), key=Decimal), min((row[3] for row in parts), key=Decimal)
        volume, quote, taker, taker_quote = (f"{sum(Decimal(row[i]) for row in parts):.8f}" for i in (5, 7, 9, 10))
        sums = [volume, opened + WEEK - 1, quote, sum(row[8] for row in parts), taker, taker_quote, "0"]
        weeks.append([opened, parts[0][1], high, low, parts[-1][4], *sums])
    return weeks


@pytest.mark.parametrize(
    ("symbol", "start", "end"),
    [
        ("BTCUSDT", "2020-02-17", "2020-03-02"),  # an outage
        ("LUNAUSDT", "2022-05-02", "2022-06-13"),  # the ticker changes hands, with two weeks of nothing between
        ("CVCUSDT", "2023-05-01", "2023-05-22"),  # suspended
        ("APTUSDT", "2022-10-03", "2022-10-31"),  # listed on a Wednesday
        ("MATICUSDT", "2024-09-02", "2024-09-23"),  # ends on a Tuesday
    ],
)
def test_a_week_is_exactly_the_sum_of_its_hours(exchange: Exchange, symbol: str, start: str, end: str) -> None:
    assert klines(exchange, symbol, "1w", start, end) == weeks_of(klines(exchange, symbol, "1h", start, end))


def test_the_first_week_opens_on_monday_whenever_the_pair_was_listed(exchange: Exchange) -> None:
    assert klines(exchange, "APTUSDT", "1w", "2010-01-01", limit=1)[0][0] == ms("2022-10-17")


def test_bounds_inside_a_week_round_to_mondays(exchange: Exchange) -> None:
    weeks = klines(exchange, "BTCUSDT", "1w", "2024-01-01T00:01", "2024-01-29T00:01")
    assert [week[0] for week in weeks] == [ms(f"2024-01-{day:02d}") for day in (8, 15, 22, 29)]


def test_the_unfinished_week_is_what_was_traded_since_monday(exchange: Exchange) -> None:
    answer = get(exchange, "/api/v3/klines", symbol="BTCUSDT", interval="1w", limit=2).json()
    assert [week[0] for week in answer] == [ms("2026-01-05"), ms("2026-01-12")]
    assert answer == weeks_of(klines(exchange, "BTCUSDT", "1d", "2026-01-05", "2026-02-01"))


def test_the_archive_has_no_weeks(exchange: Exchange) -> None:
    folder = "data/spot/monthly/klines/BTCUSDT/"
    assert f"<Prefix>{folder}1d/</Prefix>" in get(exchange, "/", delimiter="/", prefix=folder).text
    assert f"{folder}1w/" not in get(exchange, "/", delimiter="/", prefix=folder).text
    assert get(exchange, file_path("BTCUSDT", "1w", "2024-03")).status_code == 404
