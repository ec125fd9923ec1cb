"""What a read does with holes: refuse, mask, drop or carry, and never without a sign of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from include.klines.reader.advice import load_conf, restore_command
from include.klines.reader.errors import MissingData
from include.klines.reader.request import PRICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from include.klines.reader.errors import MissingWindow
    from include.klines.reader.request import OnGap, OnOutage, Request
    from include.klines.reader.series import Series


@dataclass(frozen=True)
class Treated:
    """A series after its policies: `keep` None keeps every row, `is_filled` None says that nothing may be filled."""

    series: Series
    keep: NDArray[np.bool_] | None
    is_filled: NDArray[np.bool_] | None


def refuse_gaps(series: Series) -> None:
    """MissingData where a candle is missing without an explanation."""
    refuse(series.symbol, series.request, unexplained(series), series.aggregated_from)


def unexplained(series: Series) -> list[MissingWindow]:
    """The windows that are missing without an explanation."""
    return series.windows(explained=False) if series.causes.any() else []


def refuse(
    symbols: str, request: Request, windows: Sequence[MissingWindow], base: str | None = None, *, series: int = 1
) -> None:
    """MissingData where there are any windows; `series` is the number of series in which they were looked for."""
    if windows:
        timeframe = request.length.name
        conf = load_conf(windows, base or timeframe)
        restore = restore_command(windows, base or timeframe)
        raise MissingData(f"{symbols} {timeframe} {request}", windows, request.count * series, conf, restore)


def treat(series: Series, on_gap: OnGap, on_outage: OnOutage, close_before: float | None) -> Treated:
    """Apply both policies. close_before is the last close before the range, carried into an outage at its start."""
    if on_gap == "raise":
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


def last_close(series: Series, close_before: float | None) -> float | None:
    """The last close of a series whose outages are filled; close_before where it has none."""
    close = series.values[series.columns.index("close")]
    known = close[~np.isnan(close)]
    return float(known[-1]) if len(known) else close_before
