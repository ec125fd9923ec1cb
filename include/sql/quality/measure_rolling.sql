-- Measures the last 30, 90 and 365 days, ending with the last closed day before clock, from the months of data_quality;
-- only months that a range cuts are counted again. What was never asked for is not expected. Only the newest are kept.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), clock.
-- Tables: data_quality (written), candle_day, market_data, data_gap, data_anomaly. A second run changes nothing.
WITH ranges AS MATERIALIZED (
    SELECT
        days || 'd' AS period,
        date_trunc('day', %(clock)s::timestamptz, 'UTC') - days * interval '24 hours' AS range_start,
        date_trunc('day', %(clock)s::timestamptz, 'UTC') AS range_end
    FROM (VALUES (30), (90), (365)) AS rolling (days)
),

spans AS MATERIALIZED (
    SELECT
        symbol,
        timeframe,
        step,
        span_start,
        span_end
    FROM listing_spans(%(symbols)s::text[], %(timeframes)s::text[])
),

pieces AS MATERIALIZED (
    SELECT
        spans.symbol,
        spans.timeframe,
        spans.step,
        ranges.period,
        quality.actual_records,
        quality.missing_records,
        greatest(ranges.range_start, quality.date_range_start, spans.span_start) AS piece_start,
        least(ranges.range_end, quality.date_range_end, spans.span_end) AS piece_end,
        quality.date_range_start >= ranges.range_start
        AND quality.date_range_end <= ranges.range_end
        AND quality.date_range_start >= spans.span_start
        AND quality.date_range_end <= spans.span_end AS is_whole
    FROM spans
    CROSS JOIN
        LATERAL (
            SELECT
                month.date_range_start,
                month.date_range_end,
                month.actual_records,
                month.missing_records
            FROM data_quality AS month
            WHERE
                month.symbol = spans.symbol
                AND month.timeframe = spans.timeframe
                AND month.period = 'month'
                -- months that a year reaches, and no others: they are many
                AND month.date_range_start > (SELECT min(range_start) - interval '31 days' FROM ranges)
                AND month.date_range_start < (SELECT max(range_end) FROM ranges)
            -- looked up series by series: read as a join, all months of all years would be
            OFFSET 0 -- noqa: AM09
        ) AS quality
    INNER JOIN ranges
        ON quality.date_range_start < ranges.range_end AND quality.date_range_end > ranges.range_start
    WHERE
        greatest(ranges.range_start, quality.date_range_start, spans.span_start)
        < least(ranges.range_end, quality.date_range_end, spans.span_end)
),

-- expected and stored candles of whole months, of months that a range cuts, and what is explained in months that miss some
amounts AS (
    SELECT
        symbol,
        timeframe,
        period,
        piece_end - piece_start AS length,
        actual_records AS candles,
        0 AS unfillable
    FROM pieces
    WHERE is_whole
    UNION ALL
    SELECT
        pieces.symbol,
        pieces.timeframe,
        pieces.period,
        pieces.piece_end - pieces.piece_start,
        stored.candles,
        0
    FROM pieces
    CROSS JOIN LATERAL stored_candles(pieces.symbol, pieces.timeframe, pieces.piece_start, pieces.piece_end) AS stored
    WHERE NOT pieces.is_whole
    UNION ALL
    SELECT
        pieces.symbol,
        pieces.timeframe,
        pieces.period,
        interval '0',
        0,
        extract(EPOCH FROM least(gap.gap_end, pieces.piece_end) - greatest(gap.gap_start, pieces.piece_start))
        / extract(EPOCH FROM pieces.step)
    FROM pieces
    INNER JOIN data_gap AS gap
        ON
            pieces.symbol = gap.symbol
            AND pieces.timeframe = gap.timeframe
            AND pieces.piece_end > gap.gap_start
            AND pieces.piece_start < gap.gap_end
    WHERE
        pieces.missing_records > 0
        AND gap.resolved_at IS NULL
        AND gap.cause IN ('exchange_outage', 'suspension', 'pruned')
),

counted AS (
    SELECT
        amounts.symbol,
        amounts.timeframe,
        amounts.period,
        (extract(EPOCH FROM sum(amounts.length)) / extract(EPOCH FROM timeframe_step(amounts.timeframe)))::bigint AS expected,
        sum(amounts.candles)::bigint AS actual,
        sum(amounts.unfillable)::bigint AS unfillable
    FROM amounts
    GROUP BY amounts.symbol, amounts.timeframe, amounts.period
),

rolled AS (
    SELECT
        counted.symbol,
        counted.timeframe,
        counted.period,
        ranges.range_start,
        ranges.range_end,
        counted.expected,
        counted.actual,
        least(counted.unfillable, counted.expected - counted.actual) AS unfillable
    FROM counted
    INNER JOIN ranges ON counted.period = ranges.period
),

outdated AS (
    DELETE FROM data_quality AS quality
    USING unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    WHERE
        quality.symbol = series.symbol
        AND quality.timeframe = series.timeframe
        AND quality.period = any(ARRAY['30d', '90d', '365d'])
        AND (quality.symbol, quality.timeframe, quality.period, quality.date_range_start) NOT IN (
            SELECT
                rolled.symbol,
                rolled.timeframe,
                rolled.period,
                rolled.range_start
            FROM rolled
        )
)

INSERT INTO data_quality (
    symbol, timeframe, period, date_range_start, date_range_end, expected_records, actual_records, missing_records,
    unfillable_records, completeness_percentage, adjusted_completeness_percentage, has_gaps, has_anomalies, checked_at
)
SELECT
    rolled.symbol,
    rolled.timeframe,
    rolled.period,
    rolled.range_start,
    rolled.range_end,
    rolled.expected,
    rolled.actual,
    rolled.expected - rolled.actual,
    rolled.unfillable,
    100.0 * rolled.actual / rolled.expected,
    CASE WHEN rolled.expected = rolled.unfillable THEN 100 ELSE 100.0 * rolled.actual / (rolled.expected - rolled.unfillable) END,
    rolled.expected - rolled.actual > rolled.unfillable,
    exists(
        SELECT FROM data_anomaly AS anomaly
        WHERE
            anomaly.symbol = rolled.symbol
            AND anomaly.timeframe = rolled.timeframe
            AND anomaly.severity = 'fail'
            AND anomaly.timestamp >= rolled.range_start
            AND anomaly.timestamp < rolled.range_end
    ),
    %(clock)s::timestamptz
FROM rolled
ORDER BY rolled.symbol, rolled.timeframe, rolled.period
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
