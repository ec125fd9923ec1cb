"""The heatmap as inline SVG: months from left to right, a row a series; equal neighbours are one rectangle.

The colours are those of the Coverage page: told apart by the colour-blind, and each state says its name on hover.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import Any

from include.klines.coverage.heatmap import CAUSES, cell_counts

COLOURS = {
    "complete": "#5b9ac6",
    "over 99.9 %": "#f8cda9",
    "over 99 %": "#f2a067",
    "over 90 %": "#dd6b20",
    "over 50 %": "#b23c0c",
    "50 % or less": "#6f1f05",
    "exchange outage": "#f3d35e",
    "suspended": "#8458b3",
    "not published": "#1f7f78",
    "pruned": "#b9bfc8",
    "not loaded": "#ffffff",
}
STEPS = ((99.9, "over 99.9 %"), (99, "over 99 %"), (90, "over 90 %"), (50, "over 50 %"), (-1, "50 % or less"))
EXPLAINED = {
    "outage": "exchange outage",
    "suspension": "suspended",
    "not_published": "not published",
    "pruned": "pruned",
}
CELL, ROW, LABEL, HEAD = 10, 12, 110, 18


def state(cell: Any) -> str | None:
    """What a month looks like: a key of COLOURS, None where nothing is drawn."""
    if cell is None:
        return None
    counts = cell_counts(cell)
    if counts["state"] == "not_loaded":
        return "not loaded"
    if counts["expected"] == counts["present"]:
        return "complete"
    if counts["open"]:
        possible = counts["expected"] - counts["outage"] - counts["suspension"] - counts["pruned"]
        adjusted = 100 * counts["present"] / possible if possible > 0 else 100
        return next(name for above, name in STEPS if adjusted > above)
    return EXPLAINED[max(EXPLAINED, key=lambda cause: counts[cause])]


def heatmap(drawn: dict[str, Any]) -> str:
    """One timeframe as an <svg> element with its own description."""
    months, series = drawn["months"], drawn["series"]
    width, height = LABEL + CELL * len(months) + 4, HEAD + ROW * len(series) + 4
    parts = [
        f'<svg role="img" aria-label="Completeness of {len(series)} series of {drawn["timeframe"]} by month" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">'
    ]
    for place, month in enumerate(months):
        if month.endswith("-01") or place == 0:
            parts.append(f'<text x="{LABEL + CELL * place}" y="11">{month[:4]}</text>')
    for line, one in enumerate(series):
        top = HEAD + ROW * line
        parts.append(f'<text x="0" y="{top + 9}">{escape(one["symbol"][:16])}</text>')
        parts += _row(one, months, top)
    return "".join([*parts, "</svg>"])


def legend() -> str:
    """What each colour means."""
    swatches = "".join(f'<li><i style="background:{colour}"></i>{name}</li>' for name, colour in COLOURS.items())
    return f'<ul class="legend">{swatches}<li>nothing drawn: not listed</li></ul>'


def _row(one: dict[str, Any], months: list[str], top: int) -> list[str]:
    parts = []
    place = 0
    for (name, words), group in groupby(zip(months, one["cells"], strict=True), key=lambda pair: _look(*pair)):
        count = len(list(group))
        if name is not None:
            title = f"<title>{escape(one['symbol'])} {words}</title>" if words else ""
            parts.append(
                f'<rect x="{LABEL + CELL * place}" y="{top}" width="{CELL * count - 1}" height="{ROW - 1}" '
                f'fill="{COLOURS[name]}" class="{"frame" if name == "not loaded" else "cell"}">{title}</rect>'
            )
        place += count
    return parts


def _look(month: str, cell: Any) -> tuple[str | None, str]:
    """The state of a month, and what is said of it on hover: a month that is not complete stands alone."""
    name = state(cell)
    if name in (None, "complete", "not loaded"):
        return name, ""
    counts = cell_counts(cell)
    missing = ", ".join(f"{counts[cause]:,} {cause.replace('_', ' ')}" for cause in CAUSES if counts[cause])
    return name, f"{month}: {counts['present']:,} of {counts['expected']:,}, missing {missing}"
