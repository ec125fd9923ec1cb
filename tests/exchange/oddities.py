"""What is known to be wrong in the archive: an hour that only it has, and stale values (public-data issue 475)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.exchange.candles import Columns, concat
from tests.exchange.universe import ARCHIVE_ONLY_CLOSE_MS, ARCHIVE_ONLY_HOUR, HOUR, seconds


def with_archive_only_hour(rows: Columns) -> Columns:
    """The flat hour without volume that only the archive has."""
    before = rows.between(0, ARCHIVE_ONLY_HOUR)
    if len(before) == 0 or before.open_time[-1] != ARCHIVE_ONLY_HOUR - HOUR:
        return rows
    last = before.take(slice(-1, None))
    nothing = np.zeros(1, dtype=np.int64)
    flat = Columns(
        nothing + ARCHIVE_ONLY_HOUR, last.close, last.close, last.close, last.close, nothing,
        nothing + ARCHIVE_ONLY_CLOSE_MS, nothing, nothing, nothing, nothing,
    )  # fmt: skip
    return concat([before, flat, rows.between(ARCHIVE_ONLY_HOUR, 1 << 40)])


_STALE = (
    (seconds("2020-12-21 13:00"), seconds("2020-12-21 13:50")),
    (seconds("2021-09-29 06:58"), seconds("2021-09-29 07:00")),
)


def with_stale_rows(rows: Columns, width: int) -> Columns:
    """Monthly files keep the values of before a correction on two days (binance-public-data issue 475)."""
    wrong = np.zeros(len(rows), dtype=bool)
    for start, end in _STALE:
        wrong |= (rows.open_time < end) & (rows.open_time + width > start)
    if not wrong.any():
        return rows
    share = {}
    for name in ("volume", "quote", "trades", "taker", "taker_quote"):
        values = getattr(rows, name)
        share[name] = np.where(wrong, values * 9 // 10, values)
    return replace(rows, **share)
