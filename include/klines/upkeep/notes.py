"""What the weekly and monthly Dags and the quality check write into their runs' notes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.rows import dict_row

from include.klines import sql
from include.klines.health.checks import COMPLETE_ENOUGH
from include.klines.load.summary import coverage_lines, listed
from include.klines.percent import shown
from include.klines.quality import measuring
from include.klines.upkeep.second_look import ARRIVED, REPLACED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import psycopg

    from include.klines.load.planning import Scope
    from include.klines.quality.measuring import SeriesCoverage
    from include.klines.upkeep.gap_filling import Outcome


def gap_lines(outcome: Outcome, max_attempts: int) -> list[str]:
    """Found, filled, explained, open."""
    given_up = [gap for gap in outcome.left if gap.attempts >= max_attempts]
    lines = [
        f"**Gaps: {outcome.found:,} found ({outcome.found_candles:,} candles), {outcome.filled:,} filled "
        f"({outcome.filled_candles:,}), {outcome.now_explained:,} explained, {len(outcome.left):,} still open.**"
    ]
    if outcome.explained:
        causes = ", ".join(f"{count:,} {cause}" for cause, count in outcome.explained.items())
        lines.append(f"Explained ones cost no request: {causes}.")
    lines += listed("Still open", [f"{gap}, {gap.attempts} attempts" for gap in outcome.left])
    if given_up:
        lines.append(f"{len(given_up):,} of them are not asked for again: run it with a higher max_attempts for that.")
    return lines


def file_lines(reports: Sequence[Mapping[str, Any]]) -> list[str]:
    """What reading archive files again brought, from the reports of the lanes."""
    lines = []
    for what, kind in ((ARRIVED, "Monthly files that came since"), (REPLACED, "Replaced archive files")):
        chosen = [report for report in reports if report["lane"].endswith(f": {what}")]
        if chosen:
            windows, agreed, revised, new = (
                sum(report[name] for report in chosen) for name in ("windows", "unchanged", "revised", "inserted")
            )
            lines.append(f"{kind}: {windows:,} read, {agreed:,} candles agree, {revised:,} revised, {new:,} new.")
    return lines or ["No archive file was replaced, and none came later."]


def month_lines(conn: psycopg.Connection, scope: Scope) -> tuple[list[str], list[str]]:
    """How complete a month is, as lines, and every series below COMPLETE_ENOUGH percent, the worst first."""
    rows = measuring.coverage(conn, scope.series, scope.measured)
    below = [row for row in rows if row.expected and row.adjusted_completeness < COMPLETE_ENOUGH]
    short = [_shortfall(row) for row in sorted(below, key=lambda row: row.adjusted_completeness)]
    heading = f"**{scope.window.start:%Y-%m}: {len(rows) - len(short):,} of {len(rows):,} series are complete.**"
    return [heading, *listed(f"Below {COMPLETE_ENOUGH:g} %", short), ""], short


def too_short(scope: Scope, short: Sequence[str]) -> str:
    """The sentence that fails a month: each series, and what to do."""
    first, last = scope.window.start, scope.window.end - timedelta(days=1)
    return (
        f"{len(short)} series are below {COMPLETE_ENOUGH:g} % in {first:%Y-%m}: {'; '.join(short)}. "
        f"Run klines_weekly_gap_fill with start {first:%Y-%m-%d} and end {last:%Y-%m-%d}: its note says what is left."
    )


def _shortfall(row: SeriesCoverage) -> str:
    missing = ", ".join(f"{count:,} {cause}" for cause, count in row.missing.items())
    return f"{row.symbol} {row.timeframe} {shown(row.adjusted_completeness)} ({missing or 'gaps not measured'})"


def quality_lines(conn: psycopg.Connection, scope: Scope) -> list[str]:
    """Completeness, gaps by cause and anomalies of a scope."""
    rows = measuring.coverage(conn, scope.series, scope.measured)
    causes: dict[str, int] = {}
    for row in rows:
        for cause, count in row.missing.items():
            causes[cause] = causes.get(cause, 0) + count
    binds = {
        "symbols": [symbol for symbol, _ in scope.series],
        "timeframes": [timeframe for _, timeframe in scope.series],
        "range_start": scope.measured.start,
        "range_end": scope.measured.end,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(sql.load("quality/anomalies_by_check").encode(), binds).fetchall()
    lines = coverage_lines(conn, scope)
    if causes:
        lines.append(f"Missing: {', '.join(f'{count:,} {cause}' for cause, count in sorted(causes.items()))}.")
    return lines + listed(
        "Anomalies (data_anomaly has each)",
        [
            f"{row['severity']}: {row['check_name']}, {row['findings']:,} candles of {row['series']:,} series, "
            f"the first {row['symbol']} {row['timeframe']} {row['first_at']:%Y-%m-%d %H:%M}"
            for row in found
        ],
    )
