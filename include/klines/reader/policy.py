"""What a read does with holes: refuse, mask, drop or carry, and never without a sign of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from include.klines.reader.advice import load_conf
from include.klines.reader.errors import MissingData
from include.klines.reader.request import PRICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from include.klines.reader.request import OnGap, OnOutage
    from include.klines.reader.series import Series


@dataclass(frozen=True)
class Treated:
    """A series after its policies: `keep` None keeps every row, `is_filled` None says that nothing may be filled."""

    series: Series
    keep: NDArray[np.bool_] | None
    is_filled: NDArray[np.bool_] | None


def refuse_gaps(series: Series) -> None:
    """MissingData where a candle is missing without an explanation."""
    windows = series.windows(explained=False)
    if windows:
        timeframe = series.aggregated_from or series.request.length.name
        what = f"{series.symbol} {series.request.length.name} {series.request}"
        raise MissingData(what, windows, series.request.count, load_conf(windows, timeframe))


def treat(series: Series, on_gap: OnGap, on_outage: OnOutage, close_before: float | None) -> Treated:
    """Apply both policies. close_before is the last close before the range, carried into an outage at its start."""
    if on_gap == "raise" and len(series.times) < len(series.causes) * _candles_a_place(series):
        refuse_gaps(series)
    keep = None
    dropped = np.zeros(len(series.causes), bool)
    if on_gap == "drop":
        dropped |= series.missing & ~series.explained
    if on_outage == "drop":
        dropped |= series.explained
    if dropped.any():
        keep = ~dropped
    is_filled = _fill(series, close_before) if on_outage == "ffill" else None
    return Treated(series, keep, is_filled)


def _candles_a_place(series: Series) -> int:
    return 1 if series.aggregated_from is None else 2**31  # stored candles tell nothing about whole groups


def _fill(series: Series, close_before: float | None) -> NDArray[np.bool_]:
    holes = series.explained
    if not holes.any():
        return holes
    close = series.values[series.columns.index("close")]
    last = np.maximum.accumulate(np.where(series.missing, -1, np.arange(len(close))))
    carried = np.where(last >= 0, close[last], np.nan if close_before is None else close_before)
    filled = holes & ~np.isnan(carried)
    for row, column in enumerate(series.columns):
        series.values[row, filled] = carried[filled] if column in PRICES else 0.0
    return filled
