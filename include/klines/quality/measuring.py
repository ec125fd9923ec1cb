"""How complete the stored series are, and why a candle is missing.

`measure` is the closing step of every load: counts by month, gaps, outages, anomalies, causes, rolling ranges, each one
set-based statement over all series. What is expected runs from listing to delisting inside what was asked for: the
months of data_quality remember that, and only grow. All times are aware datetimes in UTC, all windows half open; the
clock is an argument and decides which candles are closed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from psycopg.rows import dict_row
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from include.klines import sql
from include.klines.quality import anomalies
from include.klines.windows import Window, merge, month_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    import psycopg

    from include.klines.quality.anomalies import CheckResult

Series = tuple[str, str]
"""Symbol and timeframe."""


@dataclass(frozen=True)
class QualityReport:
    """What one measurement found: numbers of series, months, candles, outages, and unresolved gaps by cause."""

    series: int
    months: int
    expected: int
    actual: int
    unfillable: int
    gaps: dict[str, int]
    outages_found: int
    outages_withdrawn: int
    checks: tuple[CheckResult, ...]

    @property
    def missing(self) -> int:
        """Expected candles that are not stored."""
        return self.expected - self.actual

    @property
    def completeness(self) -> float:
        """Percent of the expected candles that are stored; 100 where nothing is expected."""
        return _percent(self.actual, self.expected)

    @property
    def adjusted_completeness(self) -> float:
        """Percent of the candles that any load can bring; 100 where there are none."""
        return _percent(self.actual, self.expected - self.unfillable)

    def to_json(self) -> dict[str, Any]:
        """The report as it travels through XCom."""
        shares = {"completeness": self.completeness, "adjusted_completeness": self.adjusted_completeness}
        return asdict(self) | shares | {"checks": [asdict(check) for check in self.checks]}


@dataclass(frozen=True)
class SeriesCoverage:
    """One series in a window: `first` and `last` open times (None where nothing is stored), `rows` stored and expected.

    `gaps` and `missing` are unresolved gaps and the candles they miss, by cause. Percentages from 0 to 100.
    """

    symbol: str
    timeframe: str
    first: datetime | None
    last: datetime | None
    rows: int
    expected: int
    unfillable: int
    gaps: dict[str, int]
    missing: dict[str, int]

    @property
    def completeness(self) -> float:
        """Percent of the expected candles that are stored; 100 where nothing is expected."""
        return _percent(self.rows, self.expected)

    @property
    def adjusted_completeness(self) -> float:
        """Percent of the candles that any load can bring; 100 where there are none."""
        return _percent(self.rows, self.expected - self.unfillable)


def measure(conn: psycopg.Connection, series: Sequence[Series], window: Window, clock: datetime) -> QualityReport:
    """Measure `series` in the months that `window` touches.

    Writes data_quality, data_gap, exchange_outage, data_anomaly and historical_data_range in one transaction.
    Reads the candles of `window`; of the other days of its months what candle_day keeps, and the candles where it keeps
    nothing: since a change, or as no measurement read them yet. Loads of these series wait until it ends.
    The window is what the project promises: what lies outside of it, and of earlier windows in the same months, is not
    expected. Months it does not touch are not counted again, but a new outage explains their gaps too. A second run at
    the same data changes nothing but checked_at. A pair with neither listing nor candles is left out.
    """
    span = Window(month_of(window.start).start, window.end)
    binds = anomalies.scope(series, window) | {"clock": clock, "known_full": _multirange(())}
    with conn.transaction():
        _run(conn, "begin")
        anomalies.keep_days(conn, series, window, clock)
        if _run(conn, "count_months", binds).rowcount >= anomalies.MANY:
            _run(conn, "analyze_months")
        trim_pruned(conn, series, window, clock)
        _run(conn, "record_gaps", binds)
        withdrawn = _run(conn, "withdraw_outages", binds).rowcount
        found = _run(conn, "discover_outages", binds).rowcount
        checks = anomalies.check(conn, series, span, clock)
        explain(conn, span, clock)
        _run(conn, "measure_rolling", binds)
        _run(conn, "refresh_ranges", binds)
        with conn.cursor(row_factory=dict_row) as cursor:
            totals = cursor.execute(sql.load("quality/totals").encode(), binds).fetchone() or {}
    return QualityReport(**totals, outages_found=found, outages_withdrawn=withdrawn, checks=tuple(checks))


def explain(conn: psycopg.Connection, window: Window, clock: datetime) -> None:
    """Give every unresolved gap its cause, and bring the months of `window` and of every changed gap in line."""
    with conn.transaction():
        earliest, latest = _run(conn, "explain_gaps", {"clock": clock}).fetchone() or (None, None)
        start, end = min(window.start, earliest or window.start), max(window.end, latest or window.end)
        _run(conn, "refresh_months", {"range_start": start, "range_end": end, "clock": clock})


def record_gaps(
    conn: psycopg.Connection,
    series: Sequence[Series],
    window: Window,
    clock: datetime,
    *,
    full: Sequence[Window] = (),
) -> None:
    """Bring data_gap in line with what is stored of `series` in `window`; part of the caller's transaction.

    New gaps are open (or keep the cause of the gap they were part of); `measure` finds the causes. full: spans on the
    grid in which the caller knows every candle to be stored, of each of the series: they are not searched.
    """
    _run(conn, "record_gaps", anomalies.scope(series, window) | {"clock": clock, "known_full": _multirange(full)})


def trim_pruned(conn: psycopg.Connection, series: Sequence[Series], window: Window, clock: datetime) -> None:
    """Take what is stored again out of the pruned gaps around `window`; part of the caller's transaction."""
    _run(conn, "trim_pruned", anomalies.scope(series, window) | {"clock": clock})


def record_empty(
    conn: psycopg.Connection,
    symbol: str,
    timeframe: str,
    empties: Sequence[Window],
    source: Literal["rest", "archive"],
    day: date,
    *,
    attempt: bool = True,
) -> None:
    """Note on the gaps inside `empties` that `source` had nothing for them on `day`.

    With `attempt` it counts as one more: that of the last rung, REST. A gap that reaches outside of every window is
    left alone.
    """
    windows = merge(empties)
    _run(
        conn,
        "record_empty",
        {
            "symbol": symbol,
            "timeframe": timeframe,
            "starts": [window.start for window in windows],
            "ends": [window.end for window in windows],
            "source": source,
            "day": day,
            "attempts": int(attempt and source == "rest"),
        },
    )


def witnessed_holes(conn: psycopg.Connection, timeframe: str, window: Window) -> list[Window]:
    """Spans around `window` that no pair can fill: known outages, and holes that two pairs share and none denies."""
    binds = {"timeframe": timeframe, "range_start": window.start, "range_end": window.end}
    return merge(Window(start, end) for start, end in _run(conn, "witnessed_holes", binds))


def coverage(
    conn: psycopg.Connection, series: Sequence[Series], window: Window, *, clock: datetime | None = None
) -> list[SeriesCoverage]:
    """One row for each of `series`, in that order; a pair with neither listing nor candles has none.

    With `clock`, only candles closed by then are expected. What a measurement counted, and no load or change touched
    since, is not counted again: a candle inserted by hand is among the rows once it was measured.
    """
    binds = anomalies.scope(series, window) | {"clock": clock}
    return [SeriesCoverage(*row) for row in _run(conn, "coverage", binds)]


def known_series(
    conn: psycopg.Connection, symbols: Sequence[str] | None = None, timeframes: Sequence[str] | None = None
) -> list[Series]:
    """The series of the database, also those that only have gaps so far; None means any."""
    binds = {
        "symbols": None if symbols is None else list(symbols),
        "timeframes": None if timeframes is None else list(timeframes),
    }
    return [(symbol, timeframe) for symbol, timeframe in _run(conn, "known_series", binds)]


def _run(conn: psycopg.Connection, name: str, binds: dict[str, Any] | None = None) -> psycopg.Cursor[tuple[Any, ...]]:
    return conn.execute(sql.load(f"quality/{name}").encode(), binds)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def _multirange(windows: Iterable[Window]) -> Multirange[datetime]:
    return Multirange(Range(window.start, window.end) for window in windows)
