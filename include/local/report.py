"""What a run ends with: coverage by series, the reader's first rows, failures, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from include.klines.intervals import parse_timeframe
from include.klines.percent import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import Console

    from include.klines.quality.measuring import SeriesCoverage
    from include.local.load_run import Failure, Snapshot

MOST_ROWS = 60
ROWS_SHOWN = 5


def show_coverage(console: Console, rows: Sequence[SeriesCoverage], title: str) -> None:
    """The coverage as a table; long ones are cut, with a word on how many more there are."""
    if not rows:
        console.print(f"{title}: nothing yet")
        return
    table = Table(title=title, title_justify="left")
    for heading in ("Series", "First candle", "Last candle"):
        table.add_column(heading, no_wrap=True)
    for heading in ("Candles", "Expected", "Complete", "Adjusted"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Missing, by cause")
    for row in rows[:MOST_ROWS]:
        table.add_row(*_cells(row))
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"… and {len(rows) - MOST_ROWS} more series; the Coverage page of the UI shows all")


def show_changes(console: Console, snapshot: Snapshot) -> None:
    """What the run changed, in one line."""
    refused = f", {snapshot.rejected:,} refused (see rejected_candle)" if snapshot.rejected else ""
    if not snapshot.inserted + snapshot.revised:
        console.print(f"Nothing changed: every candle was there already; {snapshot.requests:,} requests{refused}.")
        return
    console.print(
        f"{snapshot.inserted:,} candles new, {snapshot.revised:,} revised, {snapshot.unchanged:,} unchanged{refused}; "
        f"{snapshot.requests:,} requests."
    )


def show_failures(console: Console, failures: Sequence[Failure], *, loaded: bool) -> None:
    """The windows and tasks that failed, each with its reason; `loaded` says whether anything else was loaded."""
    console.print("[red]The load failed:[/red]")
    for failure in failures[:MOST_ROWS]:
        console.print(f"  {escape(failure.what)}: {escape(failure.reason)}", soft_wrap=True)
    if len(failures) > MOST_ROWS:
        console.print(f"  … and {len(failures) - MOST_ROWS} more: see data_sync_log")
    if loaded:
        console.print("The other lanes are loaded; `make run` with the same words tries again what is missing.")
    else:
        console.print("Nothing was loaded.")


def show_first_rows(console: Console, market: str, row: SeriesCoverage) -> None:
    """The first rows of a series, as a backtest gets them."""
    from include.klines.reader import load_ohlcv  # brings pandas, which takes a second to import

    if row.first is None or row.last is None:
        return
    end = min(row.first + ROWS_SHOWN * parse_timeframe(row.timeframe).delta, row.last)
    if row.first >= end:
        return
    frame = load_ohlcv(row.symbol, row.timeframe, row.first, end, on_gap="mask", dsn=market)
    call = f'load_ohlcv("{row.symbol}", "{row.timeframe}", "{row.first:%Y-%m-%d %H:%M}", "{end:%Y-%m-%d %H:%M}")'
    console.print(f"\n{escape(call)}")
    console.print(escape(frame.to_string()), soft_wrap=True)


def _cells(row: SeriesCoverage) -> list[str]:
    missing = [f"{count:,} {cause.replace('_', ' ')}" for cause, count in sorted(row.missing.items())]
    return [
        f"{row.symbol} {row.timeframe}",
        _moment(row.first),
        _moment(row.last),
        f"{row.rows:,}",
        f"{row.expected:,}",
        shown(row.completeness),
        shown(row.adjusted_completeness),
        ", ".join(missing),
    ]


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "none"
