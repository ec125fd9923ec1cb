-- Brings what is explained, and whether something looks wrong, to the months of data_quality that [range_start, range_end) touches,
-- for every series: a new outage explains the holes of all of them. Candles are not counted again.
-- Binds: range_start, range_end, clock. Tables: data_quality (written), data_gap, data_anomaly. A second run changes nothing.
WITH unfillable AS (
    SELECT
        quality.symbol,
        quality.timeframe,
        quality.date_range_start,
        sum(
            extract(EPOCH FROM least(gap.gap_end, quality.date_range_end) - greatest(gap.gap_start, quality.date_range_start))
            / extract(EPOCH FROM timeframe_step(quality.timeframe))
        )::bigint AS records
    FROM data_quality AS quality
    INNER JOIN data_gap AS gap
        ON
            quality.symbol = gap.symbol
            AND quality.timeframe = gap.timeframe
            AND quality.date_range_end > gap.gap_start
            AND quality.date_range_start < gap.gap_end
    WHERE
        quality.period = 'month'
        AND quality.date_range_start < %(range_end)s::timestamptz
        AND quality.date_range_end > %(range_start)s::timestamptz
        AND quality.missing_records > 0
        AND gap.resolved_at IS NULL
        AND gap.cause IN ('exchange_outage', 'suspension', 'pruned')
    GROUP BY quality.symbol, quality.timeframe, quality.date_range_start
),

wrong AS (
    SELECT DISTINCT
        symbol,
        timeframe,
        date_trunc('month', timestamp, 'UTC') AS month
    FROM data_anomaly
    WHERE severity = 'fail'
),

judged AS (
    SELECT
        quality.symbol,
        quality.timeframe,
        quality.date_range_start,
        least(coalesce(unfillable.records, 0), quality.missing_records) AS unfillable_records,
        wrong.month IS NOT NULL AS has_anomalies
    FROM data_quality AS quality
    LEFT JOIN unfillable
        ON
            quality.symbol = unfillable.symbol
            AND quality.timeframe = unfillable.timeframe
            AND quality.date_range_start = unfillable.date_range_start
    LEFT JOIN wrong
        ON
            quality.symbol = wrong.symbol
            AND quality.timeframe = wrong.timeframe
            AND date_trunc('month', quality.date_range_start, 'UTC') = wrong.month
    WHERE
        quality.period = 'month'
        AND quality.date_range_start < %(range_end)s::timestamptz
        AND quality.date_range_end > %(range_start)s::timestamptz
)

UPDATE data_quality AS quality SET
    unfillable_records = judged.unfillable_records,
    adjusted_completeness_percentage = CASE
        WHEN quality.expected_records = judged.unfillable_records THEN 100
        ELSE 100.0 * quality.actual_records / (quality.expected_records - judged.unfillable_records)
    END,
    has_gaps = quality.missing_records > judged.unfillable_records,
    has_anomalies = judged.has_anomalies,
    checked_at = %(clock)s::timestamptz
FROM judged
WHERE
    quality.symbol = judged.symbol
    AND quality.timeframe = judged.timeframe
    AND quality.period = 'month'
    AND quality.date_range_start = judged.date_range_start
    AND (
        quality.unfillable_records <> judged.unfillable_records
        OR quality.has_gaps <> (quality.missing_records > judged.unfillable_records)
        OR quality.has_anomalies <> judged.has_anomalies
    )
