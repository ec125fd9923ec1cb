"""Lanes: which mapped task loads which series. A lane travels through XCom, so it is plain JSON both ways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any

from include.klines.intervals import parse_timeframe
from include.klines.settings import CANDLES_A_LANE, MAX_LANES, POOL_SLOTS, SERIES_A_LANE
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

FULLER_LANES = 4
"""A task takes a second or two of a core to start, as much as one or two series of 5.75 years of 1h take to load."""


@dataclass(frozen=True)
class SeriesPlan:
    """What one symbol and timeframe should have in the end: the parts of the asked window in which it was listed.

    refresh: fetch what of it is stored again too, so that revisions are found.
    """

    symbol: str
    exchange_symbol: str
    timeframe: str
    windows: tuple[Window, ...]
    refresh: bool = False

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe}"

    @property
    def key(self) -> tuple[str, str]:
        """Symbol and timeframe, the series in market_data."""
        return self.symbol, self.timeframe

    @property
    def candles(self) -> int:
        """How many candles the windows have room for."""
        step = parse_timeframe(self.timeframe)
        return sum(step.count(window.start, window.end) for window in self.windows)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON; times in ISO 8601, UTC."""
        return {
            "symbol": self.symbol,
            "exchange_symbol": self.exchange_symbol,
            "timeframe": self.timeframe,
            "windows": [[window.start.isoformat(), window.end.isoformat()] for window in self.windows],
            "refresh": self.refresh,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> SeriesPlan:
        """The inverse of `to_json`."""
        windows = tuple(
            Window(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in raw["windows"]
        )
        return cls(raw["symbol"], raw["exchange_symbol"], raw["timeframe"], windows, raw["refresh"])


@dataclass(frozen=True)
class Lane:
    """The series that one mapped task loads, one after the other; `name` is what the UI shows."""

    name: str
    series: tuple[SeriesPlan, ...]

    def to_json(self) -> dict[str, Any]:
        """The lane as JSON."""
        return {"name": self.name, "series": [series.to_json() for series in self.series]}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Lane:
        """The inverse of `to_json`."""
        return cls(raw["name"], tuple(SeriesPlan.from_json(series) for series in raw["series"]))


def plan_lanes(series: Iterable[SeriesPlan], most: int = MAX_LANES) -> list[Lane]:
    """Lanes in the order given, each of one timeframe: a long series has one for itself, short ones share.

    A lane holds about CANDLES_A_LANE candles, up to FULLER_LANES times that where there are enough for POOL_SLOTS
    lanes, and SERIES_A_LANE series at most, the same number in each; more of both where there would be over `most`
    lanes. The order is the loading order: longest candles first, top symbols first. Series without a window have none.
    """
    wanted = [plan for plan in series if plan.windows]
    share = sum(plan.candles for plan in wanted) // POOL_SLOTS
    candles = min(max(share, CANDLES_A_LANE), CANDLES_A_LANE * FULLER_LANES)
    factor = 1
    while len(lanes := list(_batches(wanted, candles * factor, SERIES_A_LANE * factor))) > most:
        factor += 1
    return [Lane(_name(batch), batch) for batch in lanes]


def _batches(wanted: Iterable[SeriesPlan], most_candles: int, most_series: int) -> Iterator[tuple[SeriesPlan, ...]]:
    for _, group in groupby(wanted, key=lambda plan: plan.timeframe):
        plans = list(group)
        even = ceil(len(plans) / ceil(len(plans) / most_series))
        batch: list[SeriesPlan] = []
        candles = 0
        for plan in plans:
            more = plan.candles
            if batch and (candles + more > most_candles or len(batch) == even):
                yield tuple(batch)
                batch, candles = [], 0
            batch.append(plan)
            candles += more
        yield tuple(batch)


def _name(batch: Sequence[SeriesPlan]) -> str:
    symbols = list(dict.fromkeys(plan.symbol for plan in batch))
    if len(symbols) <= 3:
        return f"{', '.join(symbols)} {batch[0].timeframe}"
    return f"{symbols[0]} … {symbols[-1]} {batch[0].timeframe} ({len(symbols)})"
