"""Every table of the page, as rows, CSV or JSON."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.klines.coverage import heatmap, overview, store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import psycopg

    from include.klines.coverage.filters import Filters

MOST_ROWS = 20_000
Rows = list[dict[str, Any]]

COLUMNS: dict[str, tuple[str, ...]] = {
    "worst": (
        *("symbol", "timeframe", "tier", "adjusted", "raw", "expected", "present", "missing"),
        *("open", "outage", "suspension", "not_published", "pruned", "has_anomalies", "last_sync", "measured_at"),
    ),
    "series": (
        *("symbol", "timeframe", "exchange_symbol", "tier", "status", "listed_at", "delisted_at", "first", "last"),
        *("candles", "expected", "present", "missing", "raw", "adjusted", "open", "outage", "suspension"),
        *("not_published", "pruned", "has_anomalies", "last_sync", "measured_at"),
    ),
    "gaps": (
        *("symbol", "timeframe", "tier", "start", "end", "missing", "cause", "attempts", "first_seen", "last_checked"),
    ),
    "misses": ("what", "symbol", "timeframe", "detail", "missed_at", "cleared_at"),
    "loads": (
        *("dag_id", "run_id", "symbol", "timeframe", "window_start", "window_end", "source", "status"),
        *("rows_fetched", "rows_inserted", "rows_revised", "requests", "started_at", "finished_at", "error"),
    ),
    "rates": ("hour", "requests", "errors", "retries", "rate_limited", "windows", "failed"),
    "heatmap": heatmap.COLUMNS,
    "runs": (*("dag_id", "schedule", "is_paused", "run_id", "state", "start", "end", "next_run", "deadlines_missed"),),
}
"""The columns of each table; runs are Airflow's, the others the market database's."""


def read(conn: psycopg.Connection, name: str, filters: Filters, clock: datetime) -> Rows:
    """The rows of a table of the market database, at most MOST_ROWS of them."""
    return READERS[name](conn, filters, clock)


def as_csv(name: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """RFC 4180 with a header; a text that a spreadsheet would run as a formula is quoted by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS[name])
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in COLUMNS[name]])
    return out.getvalue().encode()


def as_json(name: str, rows: Sequence[Mapping[str, Any]], clock: datetime) -> bytes:
    """`{as_of, table, columns, rows: [{…}]}`."""
    columns = COLUMNS[name]
    chosen = [{column: row.get(column) for column in columns} for row in rows]
    return store.to_json({"as_of": clock, "table": name, "columns": columns, "rows": chosen})


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return store.iso(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _listed(name: str) -> Callable[[Any, Filters, datetime], Rows]:
    return lambda conn, filters, clock: store.rows(conn, name, **filters.binds, most=MOST_ROWS)


def _loads(conn: psycopg.Connection, filters: Filters, clock: datetime) -> Rows:
    return store.rows(conn, "loads", **_without_tiers(filters), most=MOST_ROWS)


def _without_tiers(filters: Filters) -> dict[str, Any]:
    return {name: value for name, value in filters.binds.items() if name != "tiers"}


def _heatmap(conn: psycopg.Connection, filters: Filters, clock: datetime) -> Rows:
    timeframes = filters.timeframes or ("1h",)
    return [row for name in timeframes for row in heatmap.as_rows(heatmap.heatmap(conn, name, filters, clock))]


READERS: dict[str, Callable[[Any, Any, datetime], Rows]] = {
    "worst": lambda conn, filters, clock: overview.worst(conn, filters),
    "series": _listed("series"),
    "gaps": _listed("gaps"),
    "misses": lambda conn, filters, clock: overview.misses(conn, clock),
    "loads": _loads,
    "rates": lambda conn, filters, clock: store.rows(conn, "rates", clock=clock, hours=overview.RATE_HOURS),
    "heatmap": _heatmap,
}
