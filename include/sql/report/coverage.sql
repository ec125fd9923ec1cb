-- What the database holds of the series asked for: span, candles, completeness and gaps by cause, in the order asked.
-- Binds: symbols (text[]), timeframes (text[]), range_start, range_end. A null array means all that is stored.
-- Tables: historical_data_range, data_quality (calendar months), data_gap. Reads only.
WITH series AS (
    SELECT
        reach.symbol,
        reach.timeframe,
        reach.earliest_date,
        reach.latest_date,
        array_position(%(symbols)s::text[], reach.symbol) AS symbol_order,
        array_position(%(timeframes)s::text[], reach.timeframe) AS timeframe_order
    FROM historical_data_range AS reach
    WHERE
        (%(symbols)s::text[] IS NULL OR reach.symbol = any(%(symbols)s::text[]))
        AND (%(timeframes)s::text[] IS NULL OR reach.timeframe = any(%(timeframes)s::text[]))
),

measured AS (
    SELECT
        quality.symbol,
        quality.timeframe,
        sum(quality.actual_records)::bigint AS stored,
        sum(quality.expected_records)::bigint AS expected,
        sum(quality.unfillable_records)::bigint AS unfillable
    FROM data_quality AS quality
    WHERE
        quality.period = 'month'
        AND quality.date_range_end > %(range_start)s::timestamptz
        AND quality.date_range_start < %(range_end)s::timestamptz
    GROUP BY quality.symbol, quality.timeframe
),

causes AS (
    SELECT
        gap.symbol,
        gap.timeframe,
        gap.cause,
        sum(gap.missing_records)::bigint AS missing
    FROM data_gap AS gap
    WHERE
        gap.resolved_at IS NULL
        AND gap.gap_end > %(range_start)s::timestamptz
        AND gap.gap_start < %(range_end)s::timestamptz
    GROUP BY gap.symbol, gap.timeframe, gap.cause
),

gaps AS (
    SELECT
        symbol,
        timeframe,
        string_agg(missing || ' ' || cause, ', ' ORDER BY cause) AS gaps
    FROM causes
    GROUP BY symbol, timeframe
)

SELECT
    series.symbol,
    series.timeframe,
    series.earliest_date,
    series.latest_date,
    measured.stored,
    measured.expected,
    measured.unfillable,
    gaps.gaps
FROM series
LEFT JOIN measured ON series.symbol = measured.symbol AND series.timeframe = measured.timeframe
LEFT JOIN gaps ON series.symbol = gaps.symbol AND series.timeframe = gaps.timeframe
ORDER BY
    series.timeframe_order ASC,
    series.symbol_order ASC,
    timeframe_step(series.timeframe) DESC,
    series.symbol ASC
