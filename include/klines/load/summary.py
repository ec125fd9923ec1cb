"""What a run did, in the words of its note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.rows import dict_row

from include.klines import sql
from include.klines.percent import percent, shown
from include.klines.quality import measuring
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from include.klines.load.planning import Scope

SHOWN = 20
"""So many failures or series are listed; the rest is counted."""


def load_note(conn: psycopg.Connection, scope: Scope, *, dag_id: str, run_id: str, lost: Sequence[str] = ()) -> str:
    """The note of a load as Markdown: what was transferred, how complete the scope is, what failed, what to look at."""
    with conn.cursor(row_factory=dict_row) as cursor:
        run = {"dag_id": dag_id, "run_id": run_id}
        counts = cursor.execute(sql.load("load/run_counts").encode(), run).fetchone() or {}
        failures = cursor.execute(sql.load("load/run_failures").encode(), run).fetchall()
    lines = [
        f"**{counts['inserted']:,} new, {counts['revised']:,} revised, {counts['unchanged']:,} unchanged candles** "
        f"in {counts['windows']:,} windows, {counts['rejected']:,} refused; "
        f"{counts['requests']:,} requests, {counts['retries']:,} retries, {counts['rate_limited']:,} rate limited."
    ]
    if not counts["windows"] and not lost:
        lines = ["**Nothing to transfer**: everything asked for is stored or explained."]
    lines += coverage_lines(conn, scope)
    lines += listed(
        "Failed windows",
        [
            f"{row['symbol']} {row['timeframe']} {Window(row['window_start'], row['window_end'])}: {row['error']}"
            for row in failures
        ],
    )
    lines += listed("Lanes that did not end well", list(lost))
    lines += listed("Universe", list(scope.notes))
    return "\n".join(lines)


def coverage_lines(conn: psycopg.Connection, scope: Scope) -> list[str]:
    """How complete the scope is, and which series are not without an explanation, the worst first."""
    rows = measuring.coverage(conn, scope.series, scope.measured)
    expected, present = sum(row.expected for row in rows), sum(row.rows for row in rows)
    short = sorted((row for row in rows if row.adjusted_completeness < 100), key=lambda row: row.adjusted_completeness)
    lines = [f"{len(rows)} series, {present:,} of {expected:,} expected candles ({shown(percent(present, expected))})."]
    return lines + listed(
        "Not complete without an explanation",
        [f"{row.symbol} {row.timeframe}: {shown(row.adjusted_completeness)}" for row in short],
    )


def listed(title: str, items: Sequence[str]) -> list[str]:
    """A titled list of at most SHOWN items, nothing where there are none."""
    if not items:
        return []
    more = [f"- and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return ["", f"{title}:", *(f"- {item}" for item in items[:SHOWN]), *more]
