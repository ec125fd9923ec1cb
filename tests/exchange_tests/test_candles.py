from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.exchange import text
from tests.exchange.candles import INTERVALS
from tests.exchange.market import Market
from tests.exchange.universe import CORE, SUCCESSORS, seconds
from tests.exchange_tests.ask import Rows, klines, ms

if TYPE_CHECKING:
    from tests.exchange import Exchange
    from tests.exchange.universe import Pair

NOW = seconds("2026-01-15 00:30")
PINNED = "e0adcd435e9099e37f9736d5425448021546cb52ac1fa9bf34babe9e66eb5c58"
"""The sha256 of a little of every pair: changing it means changing every simulated candle."""
OUTAGE_HOURS = [
    "2020-02-09T02", "2020-02-19T12", "2020-02-19T13", "2020-02-19T14", "2020-02-19T15", "2020-02-19T16",
    "2020-03-04T10", "2020-04-25T02", "2020-04-25T03", "2020-06-28T02", "2020-06-28T03", "2020-06-28T04",
    "2020-11-30T06", "2020-12-21T14", "2020-12-21T15", "2020-12-21T16", "2020-12-21T17", "2020-12-25T02",
    "2021-02-11T04", "2021-03-06T02", "2021-04-20T02", "2021-04-20T03", "2021-04-25T05", "2021-04-25T06",
    "2021-04-25T07", "2021-08-13T02", "2021-08-13T03", "2021-08-13T04", "2021-08-13T05", "2021-09-29T07",
    "2021-09-29T08", "2023-03-24T13",
]  # fmt: skip


def summed(rows: Rows, interval: str) -> Rows:
    """Longer candles from shorter ones, in exact decimals."""
    width = INTERVALS[interval] * 1000
    found: dict[int, Rows] = {}
    for row in rows:
        found.setdefault(row[0] // width * width, []).append(row)
    longer: Rows = []
    for opened, parts in found.items():
        high = max((row[2] for row in parts), key=Decimal)
        low = min((row[3] for row in parts), key=Decimal)
        sums = {i: f"{sum(Decimal(row[i]) for row in parts):.8f}" for i in (5, 7, 9, 10)}
        trades = sum(row[8] for row in parts)
        longer.append([opened, parts[0][1], high, low, parts[-1][4], sums[5], sums[7], trades, sums[9], sums[10]])
    return longer


def without_close_time(rows: Rows) -> Rows:
    return [[*row[:6], *row[7:11]] for row in rows]


@pytest.mark.parametrize("interval", ["3m", "5m", "15m", "30m", "1h", "4h", "12h", "1d"])
@pytest.mark.parametrize(
    ("symbol", "start", "end"),
    [
        ("BTCUSDT", "2020-02-18", "2020-02-21"),  # an outage that begins and ends inside hours
        ("DOGEUSDT", "2020-12-21", "2020-12-22"),
        ("LUNAUSDT", "2022-05-12", "2022-06-02"),  # the ticker changes hands
        ("QUIETUSDT", "2023-04-01", "2023-04-04"),  # hours without a trade
        ("CVCUSDT", "2023-05-08", "2023-05-14"),  # suspended, beginning and ending inside days
    ],
)
def test_every_interval_is_exactly_the_sum_of_its_minutes(
    exchange: Exchange, symbol: str, start: str, end: str, interval: str
) -> None:
    minutes = klines(exchange, symbol, "1m", start, end)
    assert without_close_time(klines(exchange, symbol, interval, start, end)) == summed(minutes, interval)


def test_a_revised_hour_still_agrees_with_its_minutes_and_its_day(exchange: Exchange) -> None:
    exchange.revise("ETHUSDT", "2023-07-04T13:00", volume_percent=117, high_ticks=250)
    minutes = klines(exchange, "ETHUSDT", "1m", "2023-07-04", "2023-07-05")
    for interval in ("1h", "1d"):
        assert without_close_time(klines(exchange, "ETHUSDT", interval, "2023-07-04", "2023-07-05")) == summed(
            minutes, interval
        )


def test_high_and_low_bound_and_parts_never_exceed_the_whole(exchange: Exchange) -> None:
    for symbol in ("BTCUSDT", "QUIETUSDT", "USDCUSDT", "ETHBTC", "BTTUSDT"):
        for row in klines(exchange, symbol, "1m", "2021-12-01", "2021-12-03"):
            open_, high, low, close, volume, quote, taker, taker_quote = (
                Decimal(row[i]) for i in (1, 2, 3, 4, 5, 7, 9, 10)
            )
            assert 0 < low <= min(open_, close) <= max(open_, close) <= high
            assert 0 <= taker <= volume
            assert 0 <= taker_quote <= quote
            assert (row[8] > 0) == (volume > 0)


def test_a_pair_listed_throughout_has_50368_hours_and_lacks_exactly_the_outages(exchange: Exchange) -> None:
    for symbol in ("BTCUSDT", "STXUSDT"):
        opens = {row[0] for row in klines(exchange, symbol, "1h", "2020-01-01", "2025-10-01")}
        expected = set(range(ms("2020-01-01"), ms("2025-10-01"), 3_600_000))
        assert len(opens) == 50_368
        assert expected - opens == {ms(f"{hour}:00") for hour in OUTAGE_HOURS}
        assert len(klines(exchange, symbol, "1d", "2020-01-01", "2025-10-01")) == 2100


@pytest.mark.parametrize("pair", [*CORE, *SUCCESSORS], ids=lambda pair: pair.base)
def test_pairs_begin_and_end_at_their_hours(exchange: Exchange, pair: Pair) -> None:
    first = klines(exchange, pair.symbol, "1h", "2010-01-01", limit=1)
    assert first[0][0] == pair.lives[0].start * 1000
    if pair.lives[0].end:
        last = klines(exchange, pair.symbol, "1h", "2024-01-01", "2026-01-01")[-1]
        assert last[0] == pair.lives[0].end * 1000 - 3_600_000


def test_the_candle_before_an_outage_closes_when_trading_stopped(exchange: Exchange) -> None:
    assert klines(exchange, "BTCUSDT", "1h", "2020-02-19T11:00", limit=1)[0][6] == ms("2020-02-19T11:35:32.286")
    minutes = klines(exchange, "BTCUSDT", "1m", "2020-02-19T11:34", limit=3)
    assert [row[0] for row in minutes] == [ms(f"2020-02-19T{at}") for at in ("11:34", "11:35", "17:30")]
    assert minutes[1][6] == ms("2020-02-19T11:35:32.286")


def test_a_range_is_the_same_however_it_is_asked_for() -> None:
    whole = Market().rest("SOLUSDT", "1m", seconds("2023-06-29 22:00"), None, 1000, NOW)
    part = Market().rest("SOLUSDT", "1m", seconds("2023-06-30 01:00"), None, 10, NOW)
    assert part[1:-1] in whole


def test_candles_are_the_same_on_every_machine() -> None:
    market, digest = Market(extended=20), hashlib.sha256()
    for symbol, pair in market.pairs.items():
        start = pair.lives[0].start // 86400 * 86400
        for interval, days in (("1m", 2), ("1h", 60), ("1d", 400)):
            columns = market.columns(symbol, interval, start, start + days * 86400, now=NOW)
            digest.update(
                f"{symbol} {interval} {len(columns)}\n".encode() + text.archive_csv(columns, microseconds=False)
            )
    assert digest.hexdigest() == PINNED


def test_prices_look_like_a_market() -> None:
    hours = Market().columns("BTCUSDT", "1h", seconds("2020-01-01"), seconds("2025-10-01"), now=NOW)
    returns = np.diff(np.log(hours.close))
    assert 0.003 < returns.std() < 0.015
    assert np.abs(returns).max() < 0.2
    width = (hours.high - hours.low) / hours.close
    assert np.corrcoef(width, hours.volume)[0, 1] > 0.15
    assert hours.close.max() / hours.close.min() > 2
