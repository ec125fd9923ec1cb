-- Brings what is explained, and whether something looks wrong, to the months of data_quality that [range_start, range_end) touches,
-- for every series: a new outage explains the holes of all of them. Candles are not counted again.
-- Binds: range_start, range_end, clock. Tables: data_quality (written), data_gap, data_anomaly. A second run changes nothing.
WITH judged AS (
    SELECT
        quality.symbol,
        quality.timeframe,
        quality.date_range_start,
        quality.missing_records,
        quality.unfillable_records AS known_unfillable_records,
        quality.has_gaps,
        quality.has_anomalies AS has_known_anomalies,
        least(coalesce(explained.records, 0), quality.missing_records) AS unfillable_records,
        exists(
            SELECT FROM data_anomaly AS anomaly
            WHERE
                anomaly.symbol = quality.symbol
                AND anomaly.timeframe = quality.timeframe
                AND anomaly.severity = 'fail'
                AND anomaly.timestamp >= date_trunc('month', quality.date_range_start, 'UTC')
                AND anomaly.timestamp < (
                    date_trunc('month', quality.date_range_start AT TIME ZONE 'UTC') + interval '1 month'
                ) AT TIME ZONE 'UTC'
        ) AS has_anomalies
    FROM data_quality AS quality
    LEFT JOIN
        LATERAL (
            SELECT
                sum(
                    extract(EPOCH FROM least(gap.gap_end, quality.date_range_end) - greatest(gap.gap_start, quality.date_range_start))
                    / extract(EPOCH FROM timeframe_step(quality.timeframe))
                )::bigint AS records
            FROM data_gap AS gap
            WHERE
                quality.missing_records > 0
                AND gap.symbol = quality.symbol
                AND gap.timeframe = quality.timeframe
                AND gap.gap_start < quality.date_range_end
                AND gap.gap_end > quality.date_range_start
                AND gap.resolved_at IS NULL
                AND gap.cause IN ('exchange_outage', 'suspension', 'pruned')
        ) AS explained
        ON TRUE
    WHERE
        quality.period = 'month'
        AND quality.date_range_start < %(range_end)s::timestamptz
        AND quality.date_range_end > %(range_start)s::timestamptz
),

-- a handful: joined to all months by a plan made before they were counted, this took minutes
changed AS MATERIALIZED (
    SELECT
        symbol,
        timeframe,
        date_range_start,
        unfillable_records,
        has_anomalies
    FROM judged
    WHERE
        known_unfillable_records <> unfillable_records
        OR has_gaps <> (missing_records > unfillable_records)
        OR has_known_anomalies <> has_anomalies
)

UPDATE data_quality AS quality SET
    unfillable_records = changed.unfillable_records,
    adjusted_completeness_percentage = CASE
        WHEN quality.expected_records = changed.unfillable_records THEN 100
        ELSE 100.0 * quality.actual_records / (quality.expected_records - changed.unfillable_records)
    END,
    has_gaps = quality.missing_records > changed.unfillable_records,
    has_anomalies = changed.has_anomalies,
    checked_at = %(clock)s::timestamptz
FROM changed
WHERE
    quality.symbol = changed.symbol
    AND quality.timeframe = changed.timeframe
    AND quality.period = 'month'
    AND quality.date_range_start = changed.date_range_start
