"""What a run ends with: coverage by series, the reader's first rows, failures, and where the UI is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from rich.markup import escape
from rich.table import Table

from include.klines import sql
from include.klines.intervals import parse_timeframe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from include.local.load_run import Failure, Snapshot

MOST_ROWS = 60
ROWS_SHOWN = 5
EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


def coverage(
    conn: psycopg.Connection,
    symbols: Sequence[str] | None = None,
    timeframes: Sequence[str] | None = None,
    span: tuple[datetime, datetime] = EVER,
) -> list[dict[str, Any]]:
    """One row a series: span, candles stored and expected, what cannot be had, gaps by cause; None means all."""
    binds = {
        "symbols": list(symbols) if symbols is not None else None,
        "timeframes": list(timeframes) if timeframes is not None else None,
        "range_start": span[0],
        "range_end": span[1],
    }
    with conn.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        cursor.execute(sql.load("report/coverage").encode(), binds)
        return cursor.fetchall()


def show_coverage(console: Console, rows: Sequence[dict[str, Any]], title: str) -> None:
    """The coverage as a table; long ones are cut, with a word on how many more there are."""
    if not rows:
        console.print(f"{title}: nothing is stored yet")
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
        console.print(f"… and {len(rows) - MOST_ROWS} more series; the UI's Coverage page shows all")


def show_changes(console: Console, snapshot: Snapshot) -> None:
    """What the run changed, in one line."""
    changed = snapshot.inserted + snapshot.revised
    if not changed:
        console.print(f"Nothing changed: all candles were there already ({snapshot.requests:,} requests).")
        return
    rejected = f", {snapshot.rejected:,} refused (see rejected_candle)" if snapshot.rejected else ""
    console.print(
        f"{snapshot.inserted:,} candles new, {snapshot.revised:,} revised, {snapshot.unchanged:,} unchanged{rejected}; "
        f"{snapshot.requests:,} requests."
    )


def show_failures(console: Console, failures: Sequence[Failure]) -> None:
    """The windows and tasks that failed, each with its reason."""
    console.print(f"[red]{len(failures)} failed:[/red]")
    for failure in failures[:MOST_ROWS]:
        console.print(f"  {escape(failure.what)}: {escape(failure.reason)}", soft_wrap=True)
    if len(failures) > MOST_ROWS:
        console.print(f"  … and {len(failures) - MOST_ROWS} more: see data_sync_log")


def show_first_rows(
    console: Console, market: str, symbol: str, timeframe: str, span: tuple[datetime, datetime]
) -> None:
    """The first rows of a series, as a backtest gets them."""
    from include.klines.reader import load_ohlcv

    frame = load_ohlcv(symbol, timeframe, *span, dsn=market, gaps="keep")
    console.print(f"\n{symbol} {timeframe} as the reader gives it, {len(frame):,} rows:")
    console.print(escape(frame.head().to_string()), soft_wrap=True)


def _cells(row: dict[str, Any]) -> list[str]:
    stored, expected, unfillable = row["stored"], row["expected"], row["unfillable"]
    counts = ["" if value is None else f"{value:,}" for value in (stored, expected)]
    if expected:
        fillable = expected - unfillable
        ratios = [_percent(stored, expected), _percent(min(stored, fillable), fillable) if fillable else "100 %"]
    else:
        ratios = ["", ""]
    moments = [f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "" for name in ("earliest_date", "latest_date")]
    return [f"{row['symbol']} {row['timeframe']}", *moments, *counts, *ratios, row["gaps"] or ""]


def _percent(part: int, whole: int) -> str:
    """Rounded down, so that 100 % means that nothing is missing."""
    if part == whole:
        return "100 %"
    return f"{part * 1_000_000 // whole / 10_000:.3f} %"
