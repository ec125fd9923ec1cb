"""The report as one HTML file: styles and drawings inside, nothing fetched, no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from include.klines.coverage.report import drawing
from include.klines.coverage.report.gathering import age, causes, size
from include.klines.percent import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.klines.coverage.report.gathering import Report

STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --soft: #5b6875; --line: #d5dbe1; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --soft: #a3afbb; --line: #35414d; --paper: #10161f; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
       max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.when { color: var(--soft); margin: .2rem 0 1rem; }
.banner { background: #fbe9a9; color: #3b2d00; padding: .5rem .8rem; border-radius: 6px; font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem; padding: 0;
           list-style: none; }
.figures li { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
.figures b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.figures span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; }
.scroll { overflow-x: auto; } svg text { font: 9px system-ui, sans-serif; fill: var(--ink); }
svg .frame { stroke: var(--line); fill: none; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .3rem 1rem; padding: 0; font-size: .85rem; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; vertical-align: -.1rem;
            border: 1px solid var(--line); }
"""


def render(report: Report) -> str:
    """The whole file."""
    title = f"Klines coverage, {report.clock:%Y-%m-%d}"
    banner = '<p class="banner">SIMULATED exchange: these candles are not real.</p>' if report.simulated else ""
    measured = report.overview["measured_at"]
    when = f"As of {report.clock:%Y-%m-%d %H:%M} UTC"
    when += f", measured {age((report.clock - measured).total_seconds())} before." if measured else "."
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
        f'<p class="when">{when} Database {escape(report.overview["database"])}.</p>{banner}'
        f"{_figures(report)}{_changes(report)}{_misses(report)}{_worst(report)}{_heatmaps(report)}</body></html>\n"
    )


def _figures(report: Report) -> str:
    totals, last = report.overview["totals"], report.overview["last_sync"]
    found = [
        (f"{totals['series']:,}", f"series of {totals['symbols']:,} symbols"),
        (f"{totals['candles']:,}", "candles"),
        (size(totals["bytes"]), "on disk"),
        (age(last["age_seconds"]) if last else "never", "since the last sync"),
    ]
    for days in (30, 90, 365):
        row = report.completeness(days)
        if row:
            words = f"complete over {days} days (raw {shown(row['raw'])})"
            found.append((shown(row["adjusted"]), words))
    items = "".join(f"<li><b>{escape(value)}</b><span>{escape(words)}</span></li>" for value, words in found)
    return f'<ul class="figures">{items}</ul>'


def _changes(report: Report) -> str:
    return f"<h2>Since last week</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in report.changes)}</ul>"


def _misses(report: Report) -> str:
    broken = [miss for miss in report.overview["misses"] if miss["cleared_at"] is None]
    if not broken:
        return "<h2>Promises</h2><p>Every promise holds.</p>"
    rows = [
        (miss["what"], " ".join(filter(None, (miss["symbol"], miss["timeframe"]))), miss["detail"]) for miss in broken
    ]
    return f"<h2>Broken promises</h2>{_table(('Promise', 'Series', 'What, and what mends it'), rows)}"


def _worst(report: Report) -> str:
    worst = report.overview["worst"]
    if not worst:
        return "<h2>The worst series</h2><p>Nothing is missing over the last 365 days.</p>"
    rows = [
        (
            f"{row['symbol']} {row['timeframe']}",
            shown(row["adjusted"]),
            shown(row["raw"]),
            f"{row['missing']:,}",
            causes(row) or "anomalies only",
        )
        for row in worst
    ]
    heads = ("Series", "Adjusted", "Raw", "Missing", "Causes")
    return f"<h2>The worst series, over 365 days</h2>{_table(heads, rows, numbers=(1, 2, 3))}"


def _heatmaps(report: Report) -> str:
    if not report.heatmaps:
        return "<h2>Months</h2><p>Nothing is stored yet: run klines_initial_load.</p>"
    parts = [
        f'<h2>{escape(drawn["timeframe"])}: series by month</h2><div class="scroll">{drawing.heatmap(drawn)}</div>'
        for drawn in report.heatmaps
    ]
    return "".join([*parts, drawing.legend()])


def _table(heads: Iterable[str], rows: Iterable[Iterable[Any]], numbers: tuple[int, ...] = ()) -> str:
    def line(cells: Iterable[Any], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=number' if place in numbers else ''}>{escape(str(cell))}</{tag}>"
            for place, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{line(heads, "th")}</tr>{body}</table></div>'
