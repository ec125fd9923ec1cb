"""The bodies of klines_monthly_prune's small tasks: Airflow in, JSON out."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from binance_plugin.hook import BinanceHook
from include.klines.clock import ExchangeClock
from include.klines.database import market_connection
from include.klines.errors import PruneError
from include.klines.retention.plan import cutoffs, lanes_of, prospects, totals
from include.klines.settings import BINANCE_CONN_ID
from include.klines.spans import month_before
from include.klines.summing_up import ended, lanes_failed, leave_note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

Json = dict[str, Any]
SHOWN = 200
"""So many series stand in the run's note; the log of choose_candles has all of them."""


def choose_candles(context: Any) -> Json:
    """What is older than retention allows and not pinned, by series; the lanes that remove it, none to only report."""
    run = context["dag_run"]
    clock = ExchangeClock.read(BinanceHook(BINANCE_CONN_ID)).now()
    limits = cutoffs(month_before(run, clock).end)
    with market_connection() as conn:
        found = [each for timeframe, cutoff in limits.items() for each in prospects(conn, timeframe, cutoff)]
    sums = totals(found)
    for (symbol, timeframe), (candles, size) in sums.items():
        log.info("%s %s: %s candles, %s bytes", symbol, timeframe, candles, size)
    dry = is_dry(context["params"].get("dry_run"), run.run_type)
    return {
        "dry_run": dry,
        "cutoffs": {timeframe: cutoff.isoformat() for timeframe, cutoff in limits.items()},
        "series": [[*series, *counts] for series, counts in sums.items()],
        "lanes": [] if dry else lanes_of(found, limits),
    }


def is_dry(asked: bool | None, run_type: str) -> bool:
    """Whether a run only reports: as asked; unset, a scheduled run prunes, and any other one reports."""
    return run_type != "scheduled" if asked is None else asked


def publish_prune(plan: Json | None, context: Any) -> Json:
    """The note of a prune; PruneError where a lane failed."""
    if plan is None:
        raise PruneError("nothing was chosen, so nothing was removed: the first red task says why.")
    reports, lost = ended(context, "prune_lane", plan["lanes"])
    leave_note(context, "\n".join(note_lines(plan, reports, lost)))
    if lost:
        raise PruneError(lanes_failed(lost, len(plan["lanes"])))
    return {"dry_run": plan["dry_run"], "removed": sum(report["removed"] for report in reports)}


def note_lines(plan: Json, reports: Sequence[Mapping[str, Any]], lost: Sequence[str]) -> list[str]:
    """What was, or would be, removed: in all, and candles and bytes by symbol and timeframe, the most first."""
    series = sorted(plan["series"], key=lambda row: -row[3])
    candles, size = (sum(row[place] for row in series) for place in (2, 3))
    found = f"{candles:,} candles of {len(series):,} series, {megabytes(size)}"
    if plan["dry_run"]:
        lines = [f"**Only reported: {found} would go.** Trigger it with dry_run set to false to remove them."]
    else:
        removed, files, stored = (sum(report[name] for report in reports) for name in ("removed", "files", "bytes"))
        dropped = sum(len(report["dropped"]) for report in reports)
        lines = [
            f"**{removed:,} candles removed**, {dropped:,} partitions dropped; {files:,} Parquet files have them, "
            f"{megabytes(stored)}. Found at the start: {found}."
        ]
    kept = ", ".join(f"{name} {datetime.fromisoformat(at):%Y-%m-%d}" for name, at in plan["cutoffs"].items())
    lines.append(f"What opened before these days goes, unless it is pinned: {kept}.")
    if lost:
        lines += ["", "Lanes that did not end well:", *(f"- {name}" for name in lost)]
    if series:
        lines += ["", "| series | candles | size |", "|---|---|---|"]
        lines += [
            f"| {symbol} {name} | {count:,} | {megabytes(bytes_)} |" for symbol, name, count, bytes_ in series[:SHOWN]
        ]
    if len(series) > SHOWN:
        lines.append(f"| and {len(series) - SHOWN} more | | |")
    return lines


def megabytes(size: int) -> str:
    """A number of bytes in words that people read."""
    return f"{size:,} bytes" if size < 100_000 else f"{size / 1e6:,.1f} MB"
