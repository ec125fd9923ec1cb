"""What a load of the whole universe leaves to look at: 450 symbols, 72 months, 1h and 1d, without its candles."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

SYMBOLS, MONTHS, TIMEFRAMES = 450, 72, ("1h", "1d")
CLOCK = "2025-12-31T12:00:00Z"


def fill(conn: psycopg.Connection) -> None:
    """Listings, months, rolling ranges, gaps, anomalies and a year of the log; no statistics, as after a first load."""
    binds = {"symbols": SYMBOLS, "timeframes": list(TIMEFRAMES)}
    for statement in STATEMENTS:
        conn.execute(statement.encode(), binds if "%(" in statement else None)


STATEMENTS = (
    """
    INSERT INTO symbol_listing
        (symbol, exchange_symbol, base_asset, quote_asset, tier, status, listed_at, delisted_at, synced_at)
    SELECT
        'S' || lpad(n::text, 3, '0'), 'S' || n || 'USDT', 'S' || n, 'USDT',
        CASE WHEN n <= 30 THEN 'core' ELSE 'extended' END, 'TRADING',
        '2020-01-01'::timestamptz + n * interval '1 hour',
        CASE WHEN n % 10 = 0 THEN '2024-01-01'::timestamptz END, '2025-12-31'
    FROM generate_series(1, %(symbols)s::integer) AS n
    """.replace("n % 10", "n %% 10"),
    """
    INSERT INTO historical_data_range
    SELECT symbol, timeframe, listed_at, '2025-12-31 11:00Z', 40000, TRUE, '2025-12-31 12:00Z'
    FROM symbol_listing, unnest(%(timeframes)s::text[]) AS timeframe
    """,
    """
    INSERT INTO data_gap (symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked)
    SELECT
        symbol, timeframe, t, t + 4 * timeframe_step(timeframe), 4,
        (ARRAY['exchange_outage', 'exchange_outage', 'suspension', 'open', 'not_published', 'pruned'])[1 + n %% 6],
        '2025-12-01', '2025-12-31'
    FROM
        historical_data_range,
        generate_series('2020-06-15'::timestamptz, '2025-12-01', interval '130 days') WITH ORDINALITY AS gap (t, n)
    WHERE t > earliest_date AND symbol <> ALL(ARRAY(SELECT unnest(%(timeframes)s::text[])))
    """,
    """
    INSERT INTO data_quality
    SELECT
        series.symbol, series.timeframe, 'month', month, month + interval '1 month', expected,
        expected - missing, missing, unfillable, 100.0 * (expected - missing) / expected,
        100.0 * (expected - missing) / (expected - unfillable), missing > unfillable, FALSE, '2025-12-31'
    FROM
        historical_data_range AS series,
        generate_series('2020-01-01'::timestamptz, '2025-12-01', interval '1 month') AS month,
        LATERAL (
            SELECT extract(EPOCH FROM interval '28 days') / extract(EPOCH FROM timeframe_step(timeframe)) AS expected
        ) AS promised,
        LATERAL (
            SELECT
                coalesce(sum(missing_records), 0) AS missing,
                coalesce(sum(missing_records) FILTER (WHERE cause NOT IN ('open', 'not_published')), 0) AS unfillable
            FROM data_gap AS gap
            WHERE
                gap.symbol = series.symbol AND gap.timeframe = series.timeframe
                AND gap_start >= month AND gap_start < month + interval '1 month'
        ) AS holes
    WHERE month + interval '1 month' > earliest_date
    """,
    """
    INSERT INTO data_quality
    SELECT
        symbol, timeframe, days || 'd', '2025-12-31'::timestamptz - days * interval '1 day', '2025-12-31',
        days * 24, days * 24 - 4, 4, 0, 99, 99, TRUE, FALSE, '2025-12-31'
    FROM historical_data_range, unnest(ARRAY[30, 90, 365]) AS days
    """,
    """
    INSERT INTO data_anomaly
    SELECT 'price_spikes', symbol, timeframe, t, CASE WHEN n %% 3 = 0 THEN 'fail' ELSE 'warn' END, 'x', t, t
    FROM
        historical_data_range,
        generate_series('2021-01-01'::timestamptz, '2025-12-01', interval '200 days') WITH ORDINALITY AS found (t, n)
    WHERE %(symbols)s::integer > 0
    """,
    """
    INSERT INTO data_sync_log (
        dag_id, run_id, lane, symbol, timeframe, window_start, window_end, source, status, requests, retries,
        started_at, finished_at
    )
    SELECT
        'klines_daily_increment', 'run', 'lane', symbol, timeframe, t - interval '2 days', t, 'rest', 'success', 2, 0,
        t, t
    FROM historical_data_range, generate_series('2025-01-01 02:00Z'::timestamptz, '2025-12-31', interval '1 day') AS t
    WHERE %(symbols)s::integer > 0
    """,
)
