"""What a report tells, read once; the page and the terminal draw the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.klines.coverage import heatmap, overview, store
from include.klines.coverage.filters import Filters

if TYPE_CHECKING:
    import psycopg

WEEK = timedelta(days=7)
MOST_LISTED = 20


@dataclass(frozen=True)
class Report:
    """The overview (as the page has it), the heatmap of each stored timeframe, and the week's changes in sentences."""

    clock: datetime
    overview: dict[str, Any]
    heatmaps: tuple[dict[str, Any], ...]
    changes: tuple[str, ...]

    @property
    def simulated(self) -> bool:
        """Whether the candles are invented."""
        return bool(self.overview["simulated"])

    def completeness(self, days: int) -> dict[str, Any] | None:
        """Over so many days and all timeframes; None before the first measurement."""
        found = [row for row in self.overview["completeness"] if row["days"] == days and row["timeframe"] is None]
        return found[0] if found else None


def gather(conn: psycopg.Connection, clock: datetime) -> Report:
    """Read a report as of `clock`, with the plans of the page."""
    with conn.transaction():
        conn.execute(b"SET LOCAL enable_nestloop = off")
        found = overview.overview(conn, clock)
        stored = [row["timeframe"] for row in found["by_timeframe"]]
        return Report(
            clock,
            found,
            tuple(json.loads(heatmap.heatmap(conn, name, Filters(), clock)) for name in stored),
            tuple(changes(conn, clock - WEEK, clock)),
        )


def changes(conn: psycopg.Connection, since: datetime, until: datetime) -> list[str]:
    """What changed between two times, the most important first; each a sentence."""
    (row,) = store.rows(conn, "changes", since=since, until=until)
    lines = [f"{row['candles_new']:,} candles are new, {row['candles_revised']:,} were revised by the exchange."]
    if row["gaps_found"] or row["gaps_closed"]:
        lines.append(
            f"{row['gaps_found']:,} gaps were found ({row['candles_missing']:,} candles) and are there, "
            f"{row['gaps_closed']:,} closed."
        )
    if row["promises_broken"] or row["promises_cleared"]:
        lines.append(f"{row['promises_broken']:,} promises were broken, {row['promises_cleared']:,} hold again.")
    for name in ("listed", "delisted"):
        if row[name]:
            lines.append(f"{len(row[name]):,} pairs were {name}: {_names(row[name])}.")
    if row["outages_found"]:
        lines.append(f"The exchange had {row['outages_found']:,} outages.")
    lines.append(f"{row['requests']:,} requests were sent, {row['windows_failed']:,} windows failed.")
    return lines


def causes(row: dict[str, Any]) -> str:
    """Why candles of a series are missing: `216 not published, 2 open`."""
    return ", ".join(f"{row[cause]:,} {cause.replace('_', ' ')}" for cause in heatmap.CAUSES if row[cause])


def size(count: int) -> str:
    """Bytes in the unit that fits."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def age(seconds: float) -> str:
    """`3 h`, `2 days`."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more
