"""Symbols by months: one cell for each month of each series of a timeframe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from include.klines.coverage import store

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from include.klines.coverage.filters import Filters

CAUSES = ("outage", "suspension", "not_published", "pruned", "open")
"""Why candles are missing, in the order of a cell."""
COLUMNS = ("symbol", "timeframe", "tier", "month", "state", "expected", "present", *CAUSES, "anomalies")


def heatmap(conn: psycopg.Connection, timeframe: str, filters: Filters, clock: datetime) -> bytes:
    """The answer as JSON; PostgreSQL writes it, so that 450 series of 72 months are one text and no objects."""
    binds = filters.binds | {"timeframe": timeframe, "clock": clock}
    binds.pop("timeframes")
    return store.text(conn, "heatmap", **binds).encode()


def as_rows(answer: bytes) -> list[dict[str, Any]]:
    """The same as a table with a row for each month in which something was expected or should have been loaded."""
    drawn = json.loads(answer)
    return [
        {"symbol": series["symbol"], "timeframe": drawn["timeframe"], "tier": series["tier"], "month": month}
        | cell_counts(cell)
        for series in drawn["series"]
        for month, cell in zip(drawn["months"], series["cells"], strict=True)
        if cell is not None
    ]


def cell_counts(cell: Any) -> dict[str, Any]:
    """A cell (not null) in words: state is loaded or not_loaded."""
    nothing = dict.fromkeys((*CAUSES, "anomalies"), 0)
    if cell == -1:
        return {"state": "not_loaded", "expected": None, "present": None, **dict.fromkeys(nothing)}
    if isinstance(cell, int):
        return {"state": "loaded", "expected": cell, "present": cell, **nothing}
    expected, present, *causes = cell
    return {"state": "loaded", "expected": expected, "present": present, **dict(zip(nothing, causes, strict=True))}
