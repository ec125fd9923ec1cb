"""The report in a terminal, with colour where it is one."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from include.klines.coverage.report import drawing
from include.klines.coverage.report.gathering import age, causes, size
from include.klines.percent import shown

if TYPE_CHECKING:
    from rich.console import Console

    from include.klines.coverage.report.gathering import Report

MOST_ROWS = 40
LAST_MONTHS = 72
SIGNS = {
    "complete": ("█", "blue"),
    "over 99.9 %": ("▓", "yellow"),
    "over 99 %": ("▓", "yellow"),
    "over 90 %": ("▒", "red"),
    "over 50 %": ("▒", "red"),
    "50 % or less": ("░", "red"),
    "exchange outage": ("o", "yellow"),
    "suspended": ("s", "magenta"),
    "not published": ("n", "cyan"),
    "pruned": ("x", "white"),
    "not loaded": ("·", "white"),
    None: (" ", "white"),
}
LEGEND = (
    "█ complete  ▓▒░ open gaps, the lighter the more  o outage  s suspended  n not published  x pruned  · not loaded"
)


def show(console: Console, report: Report) -> None:
    """Totals, completeness, the week, broken promises, the worst series, and the months of each series."""
    totals, last = report.overview["totals"], report.overview["last_sync"]
    console.print(
        f"{totals['series']:,} series, {totals['candles']:,} candles, {size(totals['bytes'])} on disk; last sync "
        f"{age(last['age_seconds']) + ' ago' if last else 'never'}"
    )
    for days in (30, 90, 365):
        row = report.completeness(days)
        if row:
            console.print(
                f"{days:>3} days: [{_colour(row['adjusted'])}]{shown(row['adjusted'])}[/] complete "
                f"(raw {shown(row['raw'])}), {row['series_below_99']:,} series below 99 %"
            )
    console.print("Since last week: " + escape(" ".join(report.changes)), soft_wrap=True)
    broken = [miss for miss in report.overview["misses"] if miss["cleared_at"] is None]
    for miss in broken[:MOST_ROWS]:
        name = " ".join(filter(None, (miss["what"], miss["symbol"], miss["timeframe"])))
        console.print(f"[red]broken:[/] {escape(name)}: {escape(miss['detail'])}", soft_wrap=True)
    _worst(console, report)
    for drawn in report.heatmaps:
        _months(console, drawn)
    if report.heatmaps:
        console.print(LEGEND)


def _worst(console: Console, report: Report) -> None:
    worst = report.overview["worst"]
    if not worst:
        return
    table = Table(title="The worst series, over 365 days", title_justify="left")
    table.add_column("Series", no_wrap=True)
    for heading in ("Adjusted", "Raw", "Missing"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Causes")
    for row in worst:
        name = escape(f"{row['symbol']} {row['timeframe']}")
        adjusted = f"[{_colour(row['adjusted'])}]{shown(row['adjusted'])}[/]"
        table.add_row(name, adjusted, shown(row["raw"]), f"{row['missing']:,}", causes(row) or "anomalies only")
    console.print(table)


def _months(console: Console, drawn: dict[str, Any]) -> None:
    months = drawn["months"][-LAST_MONTHS:]
    if not months:
        return
    console.print(f"{drawn['timeframe']}, {months[0]} to {months[-1]}:")
    for one in drawn["series"][:MOST_ROWS]:
        looks = [SIGNS[drawing.state(cell)] for cell in one["cells"][-LAST_MONTHS:]]
        runs = [(colour, "".join(sign for sign, _ in run)) for colour, run in groupby(looks, key=lambda look: look[1])]
        line = "".join(f"[{colour}]{signs}[/]" for colour, signs in runs)
        name = escape(f"{one['symbol'][:12]} {drawn['timeframe']}")
        console.print(f"  {name:16} {line} {shown(one['adjusted'])}", soft_wrap=True)
    if len(drawn["series"]) > MOST_ROWS:
        console.print(f"  … and {len(drawn['series']) - MOST_ROWS} more series; the Coverage page of the UI shows all")


def _colour(adjusted: float | None) -> str:
    if adjusted is None:
        return "white"
    return "green" if adjusted >= 99.9 else "yellow" if adjusted >= 99 else "red"
