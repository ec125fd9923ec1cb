"""Checks for implausible candles: each is a file of include/sql/quality/anomalies that selects what it finds.

A check's first line is `-- severity: fail` (the candle is wrong) or `-- severity: warn` (a person should look).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

from include.klines import sql
from include.klines.errors import ConfigurationError
from include.klines.settings import SQL_DIR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    import psycopg

    from include.klines.windows import Window

FOLDER = SQL_DIR / "quality" / "anomalies"
AT_MOST = 10_000
"""So many findings of one check are kept in one measurement: whoever has more has one problem, not ten thousand."""
MANY = 10_000
"""After so many rows written at once, the planner is told, and does not wait for autovacuum."""

MONTH = timedelta(days=31)
"""Up to so long a window is read as soon as its candles are counted."""

Severity = Literal["fail", "warn"]


@dataclass(frozen=True)
class Check:
    """One file: its name without the suffix, and how bad a finding is."""

    name: str
    severity: Severity


@dataclass(frozen=True)
class CheckResult:
    """How many candles a check found; `truncated` where only AT_MOST of them were kept."""

    name: str
    severity: Severity
    findings: int
    truncated: bool


def checks(folder: Path = FOLDER) -> list[Check]:
    """Every check in order of its name; ConfigurationError where a file does not begin with its severity."""
    return [Check(path.stem, _severity(path)) for path in sorted(folder.glob("*.sql"))]


def check(
    conn: psycopg.Connection, series: Sequence[tuple[str, str]], window: Window, clock: datetime
) -> list[CheckResult]:
    """Run every check over the series in `window` (best whole months: runs end at its borders) and keep the findings.

    What a check found before and finds no longer is deleted. Part of the caller's transaction, in which `keep_days` was
    called for the end of `window`.
    """
    binds = scope(series, window)
    return [_run(conn, one, binds, clock) for one in checks()]


def keep_days(conn: psycopg.Connection, series: Sequence[tuple[str, str]], window: Window, clock: datetime) -> None:
    """Read the days of `window` into candle_day, and those before it in its month that changed since they were read.

    Of a window longer than a month, only series whose number of candles is not what candle_day says. Loads of these
    series wait until the caller's transaction ends.
    """
    binds = scope(series, window)
    conn.execute(sql.load("quality/hold_series").encode(), binds)
    conn.execute(sql.load("quality/hold_candles").encode(), binds)  # behind it: whoever loads a series waits for these
    if window.end - window.start > MONTH:
        series = _changed(conn, series, binds | {"clock": clock})
    if series:
        read = scope(series, window) | {"clock": clock}
        if conn.execute(sql.load("quality/keep_days").encode(), read).rowcount >= MANY:
            conn.execute(sql.load("quality/analyze_days").encode())
    conn.execute(sql.load("quality/keep_missing_days").encode(), binds)


def _changed(
    conn: psycopg.Connection, series: Sequence[tuple[str, str]], binds: dict[str, Any]
) -> list[tuple[str, str]]:
    changed = set(conn.execute(sql.load("quality/changed_series").encode(), binds))
    return [key for key in series if key in changed]


def scope(series: Sequence[tuple[str, str]], window: Window) -> dict[str, Any]:
    """Binds of what reads `series` in `window`: entry i of symbols and timeframes names one; each_… say a name once.

    Given a timeframe 450 times, the planner takes long, reckons with as many looks into the index, and leaves it alone.
    """
    return {
        "symbols": [symbol for symbol, _ in series],
        "timeframes": [timeframe for _, timeframe in series],
        "each_symbol": list(dict.fromkeys(symbol for symbol, _ in series)),
        "each_timeframe": list(dict.fromkeys(timeframe for _, timeframe in series)),
        "range_start": window.start,
        "range_end": window.end,
    }


def _run(conn: psycopg.Connection, one: Check, binds: dict[str, Any], clock: datetime) -> CheckResult:
    cursor = conn.execute(sql.load(f"quality/anomalies/{one.name}").encode(), binds)
    rows = cursor.fetchmany(AT_MOST)
    symbols, timeframes, timestamps, details = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    )
    found = {
        "check_name": one.name,
        "severity": one.severity,
        "clock": clock,
        "found_symbols": symbols,
        "found_timeframes": timeframes,
        "found_timestamps": timestamps,
        "found_details": details,
    }
    conn.execute(sql.load("quality/store_anomalies").encode(), binds | found)
    return CheckResult(one.name, one.severity, cursor.rowcount, cursor.rowcount > len(rows))


def _severity(path: Path) -> Severity:
    first, _, _ = path.read_text(encoding="utf-8").partition("\n")
    found = re.fullmatch(r"-- severity: (fail|warn)", first)
    if found is None:
        raise ConfigurationError(f"{path} must begin with the line '-- severity: fail' or '-- severity: warn'.")
    return cast("Severity", found[1])
