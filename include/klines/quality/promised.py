"""Listings that moved: a delisting or its end changes what was expected in months that no run would measure again."""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING

from include.klines import sql
from include.klines.quality import measuring
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg

log = logging.getLogger(__name__)


def measure_moved(conn: psycopg.Connection, moved: Sequence[tuple[str, Window]], clock: datetime) -> None:
    """Judge again what was promised or missing of listings that moved.

    `moved`: symbols with the spans in which they are listed by now and were not before, or the other way round.
    """
    if not moved:
        return
    binds = {
        "symbols": [symbol for symbol, _ in moved],
        "starts": [window.start for _, window in moved],
        "ends": [window.end for _, window in moved],
    }
    found = conn.execute(sql.load("quality/promised").encode(), binds).fetchall()
    for starts, ends, what, symbol, timeframe in found:
        if what == "gap":  # the newest ones may lie behind everything that was measured
            measuring.record_gaps(conn, [(symbol, timeframe)], Window(starts, ends), clock)
    months = [row for row in found if row[2] == "month"]
    for (starts, ends), group in groupby(months, key=lambda row: row[:2]):
        series = [(symbol, timeframe) for *_, symbol, timeframe in group]
        log.info("measuring %s again in %s, because the listing moved", series, Window(starts, ends))
        measuring.measure(conn, series, Window(starts, ends), clock)
