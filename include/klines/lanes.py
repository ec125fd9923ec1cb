"""Lanes: which mapped task loads which series. A lane travels through XCom, so it is plain JSON both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from include.klines.settings import MAX_LANES
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True)
class SeriesPlan:
    """What one symbol and timeframe should have in the end: the parts of the asked window in which it was listed."""

    symbol: str
    exchange_symbol: str
    timeframe: str
    windows: tuple[Window, ...]

    def __str__(self) -> str:
        return f"{self.symbol} {self.timeframe}"

    @property
    def key(self) -> tuple[str, str]:
        """Symbol and timeframe, the series in market_data."""
        return self.symbol, self.timeframe

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON; times in ISO 8601, UTC."""
        return {
            "symbol": self.symbol,
            "exchange_symbol": self.exchange_symbol,
            "timeframe": self.timeframe,
            "windows": [[window.start.isoformat(), window.end.isoformat()] for window in self.windows],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> SeriesPlan:
        """The inverse of `to_json`."""
        windows = tuple(
            Window(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in raw["windows"]
        )
        return cls(raw["symbol"], raw["exchange_symbol"], raw["timeframe"], windows)


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
    """One lane a series, in the order given; neighbours of one timeframe share lanes where they would be over `most`.

    The order is the loading order: longest candles first, top symbols first. Series without a window are left out.
    """
    wanted = [plan for plan in series if plan.windows]
    by_timeframe = [list(group) for _, group in groupby(wanted, key=lambda plan: plan.timeframe)]
    size = 1
    while sum(math.ceil(len(group) / size) for group in by_timeframe) > most:
        size += 1
    return [
        Lane(_name(batch), tuple(batch))
        for group in by_timeframe
        for batch in (group[first : first + size] for first in range(0, len(group), size))
    ]


def _name(batch: Sequence[SeriesPlan]) -> str:
    if len(batch) == 1:
        return str(batch[0])
    return f"{batch[0].symbol} … {batch[-1].symbol} {batch[0].timeframe} ({len(batch)})"
