"""The ladder on a real client against the simulated exchange, whose clock stands at 2026-01-15 00:30."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from binance_plugin.client import BinanceClient
from include.klines.candles import Candles, from_rest, holes, split_valid
from include.klines.intervals import parse_timeframe
from include.klines.ladder.climbing import fetch_parts
from include.klines.windows import Window

if TYPE_CHECKING:
    from include.klines.ladder.parts import Part
    from tests.exchange import Exchange


def utc(text: str) -> datetime:
    """`2024-03-01` or `2024-03-01 05:00` as an aware time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(start: str, end: str) -> Window:
    """The window between two texts."""
    return Window(utc(start), utc(end))


class Ladder:
    """fetch_parts with what the tests leave alone filled in, and the truth to hold its answer against."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.clock = utc("2026-01-15 00:30")
        self.client = BinanceClient.from_url(
            exchange.url, sleep=lambda seconds: None, request_interval=0.0, burst_size=0, retries=1, timeout=5.0
        )

    def set_clock(self, now: str) -> None:
        self.clock = utc(now)
        self.exchange.set_clock(self.clock)

    def parts(
        self, start: str, end: str, timeframe: str = "1h", *, pair: str = "BTCUSDT", **options: Any
    ) -> list[Part]:
        options = {"closed_before": self.clock, "listed": None} | options
        return list(
            fetch_parts(
                self.client,
                symbol=pair.removesuffix("USDT"),
                exchange_symbol=pair,
                timeframe=parse_timeframe(timeframe),
                window=span(start, end),
                **options,
            )
        )

    def part(self, start: str, end: str, timeframe: str = "1h", **options: Any) -> Part:
        """The only part of a window."""
        (part,) = self.parts(start, end, timeframe, **options)
        return part

    def truth(self, start: str, end: str, timeframe: str = "1h", *, pair: str = "BTCUSDT") -> Candles:
        """What REST has, asked without the ladder."""
        window = span(start, end)
        pages = self.client.iter_klines(pair, timeframe, window.start, window.end)
        rows = Candles.concat([from_rest(page) for page in pages])
        return split_valid(rows, parse_timeframe(timeframe), window, self.clock)[0]

    def holes(self, part: Part, timeframe: str = "1h") -> list[Window]:
        return holes(part.candles, parse_timeframe(timeframe), [part.window])

    def asked(self) -> list[str]:
        """What was asked since the last call: `2024-03` and `2024-03-05` for files, then `rest` for pages of klines.

        Files are downloaded several at once, so their order is that of their names.
        """
        kinds = {"klines": "rest", "archive": ""}
        found = self.exchange.requests()
        self.exchange.forget_requests()
        return sorted(kinds[one["kind"]] or one["period"] for one in found if one["kind"] in kinds)


def steps(part: Part) -> list[tuple[str, str, str]]:
    """The step-downs of a part without their sentences."""
    return [(step.rung, step.period, step.reason) for step in part.step_downs]


@pytest.fixture
def ladder(exchange: Exchange) -> Ladder:
    return Ladder(exchange)
