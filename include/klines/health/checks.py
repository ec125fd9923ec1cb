"""What the project promises about its tables, each promise one check, and what is written down when one breaks.

A check reads what the loads and measurements left; it asks the exchange for nothing and works while that is down. The
clock (aware, UTC) is an argument. `sla_miss` has one open row for each promise and series: `settle` opens and clears
them, `tell` says what a person has to be told and notes that it was said: once, then daily, then that it has cleared.
Nothing heavy is imported before a check runs: the Dag file imports this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.klines import sql
from include.klines.errors import InvalidRequest
from include.klines.health import alerts
from include.klines.health.alerts import Alert
from include.klines.settings import enabled_timeframes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import psycopg

COMPLETE_ENOUGH = 99.0
"""Percent of the candles that any load can bring, over 30, 90 and 365 days; and of a month, for its consolidation."""
SYNCED_WITHIN = timedelta(hours=48)
GAPS_CLOSE_WITHIN = timedelta(days=7)
MOST_FAILED = 0.05
"""Share of the windows of a day that may fail, and so many may fail whatever the share is:"""
FEW_FAILED = 3
MOST_RETRIED = 0.10
"""Share of the requests of a day that may be sent again, and so many may be whatever the share is:"""
FEW_RETRIED = 20
DAY = timedelta(days=1)
REPEAT_AFTER = timedelta(hours=23, minutes=30)
"""A state that lasts is told again daily; a run that begins some minutes early does not wait for the next one."""
MEND = "What mends it: "
SHOWN = 20
"""So many series of one cause are named in a message; `sla_miss` has them all."""


@dataclass(frozen=True)
class Finding:
    """One broken promise: of a series (None: of no single one), in numbers, and why. Findings come worst first."""

    symbol: str | None
    timeframe: str | None
    measure: str
    cause: str

    @property
    def series(self) -> str:
        """`BTC 1h`; empty where it is about no single series."""
        return " ".join(filter(None, (self.symbol, self.timeframe)))


@dataclass(frozen=True)
class Verdict:
    """What a check found: nothing, or a headline, the findings (worst first), and the command that mends them."""

    what: str
    headline: str = ""
    findings: tuple[Finding, ...] = ()
    mend: str = ""

    @property
    def text(self) -> str:
        """The message: the series grouped by cause, worst first, and what mends them."""
        causes: dict[str, list[Finding]] = {}
        for finding in self.findings:
            causes.setdefault(finding.cause, []).append(finding)
        lines = [f"{self.headline}."]
        for cause, group in causes.items():
            named = [" ".join(filter(None, (one.series, one.measure))) for one in group[:SHOWN]]
            more = f" and {len(group) - SHOWN} more" if len(group) > SHOWN else ""
            lines.append(f"- {cause}: {'; '.join(named)}{more}")
        return "\n".join([*lines, MEND + self.mend])

    def alert(self, *news: str) -> Alert:
        """The message; `news` are lines at its end."""
        if not self.findings:
            return Alert(f"klines: {self.what} is well again", "\n".join(news), good=True)
        return Alert(f"klines: {self.headline}", "\n".join([self.text, *news]))

    def detail(self, finding: Finding) -> str:
        """One finding as a sentence, for the table."""
        return f"{' '.join(filter(None, (finding.measure, f'({finding.cause})')))}. {MEND}{self.mend}"


def check(conn: psycopg.Connection, kind: str, clock: datetime) -> Verdict:
    """Run one of KINDS at `clock`; InvalidRequest for another name."""
    if kind not in CHECKS:
        raise InvalidRequest(f"there is no health check {kind!r}: use one of {', '.join(KINDS)}.")
    return CHECKS[kind](conn, clock)


def settle(conn: psycopg.Connection, verdict: Verdict, clock: datetime) -> None:
    """Write the verdict to sla_miss."""
    _run(
        conn,
        "settle",
        what=verdict.what,
        symbols=[finding.symbol for finding in verdict.findings],
        timeframes=[finding.timeframe for finding in verdict.findings],
        details=[verdict.detail(finding) for finding in verdict.findings],
        clock=clock,
    )


def tell(conn: psycopg.Connection, verdict: Verdict, clock: datetime) -> tuple[str, ...]:
    """Send what is due of a settled verdict; the channels that took it, none where nothing was due.

    AlertError where every channel refused: then it is due again at the next call.
    """
    (state,) = _rows(conn, "untold", what=verdict.what, sent_before=clock - REPEAT_AFTER)
    cleared = list(dict.fromkeys(name or verdict.what for name in state["cleared"]))
    if not (cleared or state["new_misses"] or state["misses_to_repeat"]):
        return ()
    channels = alerts.send(verdict.alert(*([f"Cleared: {_names(cleared)}."] if cleared else [])))
    _run(conn, "told", what=verdict.what, clock=clock)
    return channels


def report(conn: psycopg.Connection, verdict: Verdict, clock: datetime) -> tuple[str, ...]:
    """Settle the verdict and tell what is due of it; returns and raises as `tell`."""
    settle(conn, verdict, clock)
    return tell(conn, verdict, clock)


def is_empty(conn: psycopg.Connection) -> bool:
    """Whether nothing is stored, so that nothing is promised yet."""
    return _run(conn, "series_kept", timeframes=enabled_timeframes()).fetchone() == (0,)


def open_misses(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """Every broken promise: what, symbol, timeframe, detail, missed_at."""
    return _rows(conn, "open_misses")


def late_runs(conn: psycopg.Connection, prefix: str) -> list[dict[str, Any]]:
    """What somebody has to hear of, of the promises whose names begin like this: what, detail, is_open."""
    return _rows(conn, "late_runs", prefix=prefix)


def _completeness(conn: psycopg.Connection, clock: datetime) -> Verdict:
    rows = _rows(conn, "completeness", floor=COMPLETE_ENOUGH, timeframes=enabled_timeframes())
    findings = [
        Finding(row["symbol"], row["timeframe"], row["shares"], f"missing {row['missing'] or 'without a known gap'}")
        for row in rows
    ]
    days = max((row["days"] for row in rows), default=0)
    mend = _gap_fill(rows, days=days)
    return _verdict("completeness", f"completeness is below {COMPLETE_ENOUGH:g} % for {_count(rows)}", findings, mend)


def _last_sync(conn: psycopg.Connection, clock: datetime) -> Verdict:
    rows = _rows(conn, "last_sync", synced_before=clock - SYNCED_WITHIN, timeframes=enabled_timeframes())
    findings = [
        Finding(row["symbol"], row["timeframe"], "", f"last synced {row['last_synced']:%Y-%m-%d %H}:00 UTC")
        for row in rows
    ]
    mend = (
        "airflow dags unpause klines_daily_increment, if it is paused or never ran; else look at its last run and "
        "clear what is red. It catches up by itself."
    )
    hours = SYNCED_WITHIN // timedelta(hours=1)
    return _verdict("last_sync", f"the last sync is over {hours} hours ago for {_count(rows)}", findings, mend)


def _open_gaps(conn: psycopg.Connection, clock: datetime) -> Verdict:
    rows = _rows(conn, "open_gaps", seen_before=clock - GAPS_CLOSE_WITHIN, timeframes=enabled_timeframes())
    findings = [
        Finding(
            row["symbol"],
            row["timeframe"],
            f"{row['missing']:,} candles in {row['gaps']:,} gaps, {row['first_start']:%Y-%m-%d %H:%M} to "
            f"{row['last_end']:%Y-%m-%d %H:%M}",
            "asked for in vain" if row["attempts"] else "never asked for",
        )
        for row in rows
    ]
    mend = ""
    if rows:
        first, last = min(row["first_start"] for row in rows), max(row["last_end"] for row in rows)
        attempts = max(row["attempts"] for row in rows) + 1
        last_day = (last - timedelta(microseconds=1)).date()
        mend = _gap_fill(rows, start=f"{first:%Y-%m-%d}", end=last_day.isoformat(), max_attempts=attempts)
    days = GAPS_CLOSE_WITHIN.days
    return _verdict("open_gaps", f"gaps older than {days} days are open in {_count(rows)}", findings, mend)


def _errors(conn: psycopg.Connection, clock: datetime) -> Verdict:
    rows = _rows(conn, "errors", since=clock - DAY, until=clock)
    windows, failed, requests, retries = (
        sum(row[name] for row in rows) for name in ("windows", "failed", "requests", "retries")
    )
    findings: list[Finding] = []
    headlines = []
    if failed > FEW_FAILED and failed > MOST_FAILED * windows:
        headlines.append(f"{failed:,} of {windows:,} windows failed in the last day")
        findings += [
            Finding(row["symbol"], row["timeframe"], f"{row['failed']:,} of {row['windows']:,}", row["last_error"])
            for row in rows
            if row["failed"]
        ]
    if retries > FEW_RETRIED and retries > MOST_RETRIED * requests:
        headlines.append(f"{retries:,} of {requests:,} requests were sent again in the last day")
        worst = sorted(rows, key=lambda row: -row["retries"])[:3]
        most = ", ".join(f"{row['symbol']} {row['timeframe']} {row['retries']:,}" for row in worst)
        findings.append(Finding(None, None, most, "requests sent again, most of them for"))
    mend = (
        "look at data_sync_log and at the table of errors in docs/operations.md; then clear the red tasks of the last "
        "runs (airflow tasks clear klines_daily_increment --only-failed)."
    )
    return _verdict("errors", ", ".join(headlines), findings, mend)


def _ban(conn: psycopg.Connection, clock: datetime) -> Verdict:
    rows = _rows(conn, "bans", clock=clock)
    findings = [
        Finding(None, None, row["address"], f"banned until {row['banned_until']:%Y-%m-%d %H:%M} UTC")
        for row in rows[:1]
    ]
    mend = (
        "nothing before it ends; find what else behind this address of your network asks Binance, or set weight_limit "
        "of binance_default lower. UPDATE exchange_budget SET banned_until = NULL, if you know that it was lifted."
    )
    return _verdict("ban", "the exchange has banned us", findings, mend)


CHECKS: dict[str, Callable[[Any, Any], Verdict]] = {
    "completeness": _completeness,
    "last_sync": _last_sync,
    "open_gaps": _open_gaps,
    "errors": _errors,
    "ban": _ban,
}
KINDS = tuple(CHECKS)


def _verdict(what: str, headline: str, findings: Sequence[Finding], mend: str) -> Verdict:
    return Verdict(what, headline, tuple(findings), mend) if findings else Verdict(what)


def _gap_fill(rows: Sequence[dict[str, Any]], **params: Any) -> str:
    """The command that fetches what is missing of these series."""
    symbols = sorted({row["symbol"] for row in rows})
    chosen = {"symbols": symbols} if len(symbols) <= SHOWN else {}
    conf = json.dumps({**chosen, "timeframes": sorted({row["timeframe"] for row in rows}), **params})
    return f"airflow dags trigger klines_weekly_gap_fill --conf '{conf}'"


def _count(rows: Sequence[Any]) -> str:
    return f"{len(rows):,} series"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _rows(conn: psycopg.Connection, name: str, **binds: Any) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql.load(f"health/{name}").encode(), binds or None).fetchall()


def _run(conn: psycopg.Connection, name: str, **binds: Any) -> psycopg.Cursor[Any]:
    return conn.execute(sql.load(f"health/{name}").encode(), binds)
