"""Puts series of candles into a market database for the tests of their quality, and reads back what was measured."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from include.klines.quality import measuring
from include.klines.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

Span = tuple[str, str]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def fill(
    conn: psycopg.Connection, symbol: str, start: str, end: str, *, timeframe: str = "1h", without: Sequence[Span] = ()
) -> None:
    """Store plausible candles from start to end, except those that open in `without`; 1d, 4h and 1h agree."""
    conn.execute("SELECT ensure_market_data_partitions(%s, %s, %s)", (timeframe, at(start), at(end)))
    conn.execute(
        """
        INSERT INTO market_data
        SELECT %(symbol)s, %(timeframe)s, t, 100, 101, 99, 100, w, 100 * w, w, w / 2, 50 * w
        FROM
            generate_series(
                %(start)s::timestamptz, %(end)s::timestamptz - interval '1 second', timeframe_step(%(timeframe)s)
            ) AS t,
            LATERAL (SELECT extract(EPOCH FROM timeframe_step(%(timeframe)s)) / 900) AS weight (w)
        WHERE NOT EXISTS (
            SELECT FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS hole (s, e)
            WHERE hole.s <= t AND t < hole.e
        )
        ON CONFLICT DO NOTHING
        """,
        {
            "symbol": symbol,
            "timeframe": timeframe,
            "start": at(start),
            "end": at(end),
            "starts": [at(hole[0]) for hole in without],
            "ends": [at(hole[1]) for hole in without],
        },
    )
    refresh_range(conn)


def measure_all(conn: psycopg.Connection, span: Window, clock: datetime) -> measuring.QualityReport:
    """Measure every series of the database."""
    return measuring.measure(conn, measuring.known_series(conn), span, clock)


def remove(conn: psycopg.Connection, symbol: str, start: str, end: str, *, timeframe: str = "1h") -> None:
    conn.execute(
        "DELETE FROM market_data WHERE symbol = %s AND timeframe = %s AND timestamp >= %s AND timestamp < %s",
        (symbol, timeframe, at(start), at(end)),
    )


def refresh_range(conn: psycopg.Connection) -> None:
    """What the write path keeps in its transaction."""
    conn.execute(
        """
        INSERT INTO historical_data_range
        SELECT symbol, timeframe, min(timestamp), max(timestamp), count(*), TRUE, max(timestamp)
        FROM market_data GROUP BY symbol, timeframe
        ON CONFLICT (symbol, timeframe) DO UPDATE SET
            earliest_date = excluded.earliest_date, latest_date = excluded.latest_date,
            total_records = excluded.total_records
        """
    )


def confirm(
    conn: psycopg.Connection,
    symbol: str,
    hole: Span,
    *,
    timeframe: str = "1h",
    day: str = "2024-06-01",
    by: Any = "rest",
) -> None:
    measuring.record_empty(conn, symbol, timeframe, [window(*hole)], by, date.fromisoformat(day))


def gaps(conn: psycopg.Connection, symbol: str, *, timeframe: str = "1h", resolved: bool = False) -> list[Span]:
    """Start and end of the unresolved (or of the resolved) gaps, short: "2024-05-03 04:00"."""
    rows = conn.execute(
        "SELECT gap_start, gap_end FROM data_gap WHERE symbol = %s AND timeframe = %s"
        " AND (resolved_at IS NOT NULL) = %s ORDER BY 1",
        (symbol, timeframe, resolved),
    )
    return [(f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}") for start, end in rows]


def gap(conn: psycopg.Connection, symbol: str, start: str, *, timeframe: str = "1h") -> dict[str, Any]:
    """The unresolved gap that starts there."""
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            "SELECT * FROM data_gap WHERE symbol = %s AND timeframe = %s AND gap_start = %s AND resolved_at IS NULL",
            (symbol, timeframe, at(start)),
        ).fetchone()
    assert found is not None
    return found


def months(
    conn: psycopg.Connection, symbol: str, *, timeframe: str = "1h", period: str = "month"
) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT * FROM data_quality WHERE symbol = %s AND timeframe = %s AND period = %s ORDER BY date_range_start",
            (symbol, timeframe, period),
        ).fetchall()
