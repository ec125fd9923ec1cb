"""Old candles that the exchange changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tests.exchange.universe import seconds

if TYPE_CHECKING:
    from tests.exchange.candles import Columns
    from tests.exchange.series import Series


@dataclass(frozen=True)
class Revision:
    """The exchange changes an old hour (and with it its minutes and its day) at the moment `at` of its clock.

    `volume_percent` scales volume, turnover and trades; `high_ticks` lifts the high. `archive` tells whether the
    archive's files are replaced too.
    """

    symbol: str
    hour: int
    at: int
    volume_percent: int = 131
    high_ticks: int = 0
    archive: bool = True


RECORDED_REVISION = Revision("BTCUSDT", seconds("2021-01-11 08:00"), seconds("2021-09-01 00:00"))
"""Binance revised this hour: recordings of 2021-08 have a volume of 6432 BTC, those of 2022-10 have 8457."""


def revised(hours: Columns, revision: Revision, series: Series) -> Columns:
    """The hours with the revision, where it is one of theirs."""
    row = int(np.searchsorted(hours.open_time, revision.hour))
    if row == len(hours) or hours.open_time[row] != revision.hour:
        return hours
    changed = {}
    for name, unit in (
        ("volume", series.step),
        ("taker", series.step),
        ("quote", 1),
        ("taker_quote", 1),
        ("trades", 1),
    ):
        values = changed[name] = getattr(hours, name).copy()
        values[row] = max(values[row] * revision.volume_percent // 100 // unit * unit, 60 if name == "trades" else 0)
    changed["high"] = hours.high.copy()
    changed["high"][row] += revision.high_ticks * series.tick
    return replace(hours, **changed)
