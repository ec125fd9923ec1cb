-- Counts the candles of each calendar month that [range_start, range_end) touches and keeps the counts in data_quality. What is
-- missing counts as unexplained until refresh_months.sql. The range of a month only grows: a day's increment adds a day.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), range_start, range_end, clock.
-- Tables: data_quality (written), candle_day, market_data, symbol_listing, historical_data_range. A second run changes nothing.
WITH pieces AS MATERIALIZED (
    SELECT
        symbol,
        timeframe,
        step,
        range_start,
        range_end,
        piece_start,
        piece_end
    FROM
        expected_pieces(
            %(symbols)s::text[],
            %(timeframes)s::text[],
            %(range_start)s::timestamptz,
            %(range_end)s::timestamptz,
            %(clock)s::timestamptz
        )
),

counted AS (
    SELECT
        pieces.symbol,
        pieces.timeframe,
        pieces.range_start,
        pieces.range_end,
        sum(extract(EPOCH FROM pieces.piece_end - pieces.piece_start) / extract(EPOCH FROM pieces.step))::bigint AS expected,
        sum(stored.candles)::bigint AS actual
    FROM pieces
    CROSS JOIN LATERAL stored_candles(pieces.symbol, pieces.timeframe, pieces.piece_start, pieces.piece_end) AS stored
    GROUP BY pieces.symbol, pieces.timeframe, pieces.range_start, pieces.range_end
),

-- months that were measured before and of which nothing is expected any more
gone AS MATERIALIZED (
    SELECT
        series.symbol,
        series.timeframe,
        month.date_range_start
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    CROSS JOIN
        LATERAL ( -- noqa: ST05
            SELECT quality.date_range_start
            FROM data_quality AS quality
            WHERE
                quality.symbol = series.symbol
                AND quality.timeframe = series.timeframe
                AND quality.period = 'month'
                AND quality.date_range_start >= date_trunc('month', %(range_start)s::timestamptz, 'UTC')
                AND quality.date_range_start < (
                    date_trunc('month', (%(range_end)s::timestamptz - interval '1 microsecond') AT TIME ZONE 'UTC')
                    + interval '1 month'
                ) AT TIME ZONE 'UTC'
            -- looked up series by series: of a new month the planner expects one row in all, and compares all with all
            OFFSET 0 -- noqa: AM09
        ) AS month
    WHERE
        NOT EXISTS (
            SELECT FROM counted
            WHERE
                counted.symbol = series.symbol
                AND counted.timeframe = series.timeframe
                AND counted.range_start = month.date_range_start
        )
),

outdated AS (
    DELETE FROM data_quality AS quality
    USING gone
    WHERE
        quality.symbol = gone.symbol
        AND quality.timeframe = gone.timeframe
        AND quality.period = 'month'
        AND quality.date_range_start = gone.date_range_start
)

INSERT INTO data_quality (
    symbol, timeframe, period, date_range_start, date_range_end, expected_records, actual_records, missing_records,
    unfillable_records, completeness_percentage, adjusted_completeness_percentage, has_gaps, has_anomalies, checked_at
)
SELECT
    symbol,
    timeframe,
    'month',
    range_start,
    range_end,
    expected,
    actual,
    expected - actual,
    0,
    100.0 * actual / expected,
    100.0 * actual / expected,
    actual < expected,
    FALSE,
    %(clock)s::timestamptz
FROM counted
ORDER BY symbol, timeframe, range_start
ON CONFLICT (symbol, timeframe, period, date_range_start) DO UPDATE SET
    date_range_end = excluded.date_range_end,
    expected_records = excluded.expected_records,
    actual_records = excluded.actual_records,
    missing_records = excluded.missing_records,
    unfillable_records = excluded.unfillable_records,
    completeness_percentage = excluded.completeness_percentage,
    adjusted_completeness_percentage = excluded.adjusted_completeness_percentage,
    has_gaps = excluded.has_gaps,
    has_anomalies = excluded.has_anomalies,
    checked_at = excluded.checked_at
