-- Brings every series' range to what its gaps and its months now say: is_complete always, total_records where its months
-- cover all of it, so that rows deleted by hand do not stay counted.
-- Binds: none. Tables: historical_data_range (written), data_gap, data_quality. A second run changes nothing.
WITH unexplained AS (
    SELECT DISTINCT
        symbol,
        timeframe
    FROM data_gap
    WHERE resolved_at IS NULL AND cause IN ('open', 'not_published')
),

counted AS (
    SELECT
        symbol,
        timeframe,
        sum(actual_records)::bigint AS candles,
        min(date_range_start) AS starts_at,
        max(date_range_end) AS ends_at
    FROM data_quality
    WHERE period = 'month'
    GROUP BY symbol, timeframe
),

judged AS (
    SELECT
        reach.symbol,
        reach.timeframe,
        unexplained.symbol IS NULL AS is_complete,
        CASE
            WHEN counted.starts_at <= reach.earliest_date AND counted.ends_at > reach.latest_date THEN counted.candles
            ELSE reach.total_records
        END AS total_records
    FROM historical_data_range AS reach
    LEFT JOIN unexplained ON reach.symbol = unexplained.symbol AND reach.timeframe = unexplained.timeframe
    LEFT JOIN counted ON reach.symbol = counted.symbol AND reach.timeframe = counted.timeframe
)

UPDATE historical_data_range AS reach SET
    is_complete = judged.is_complete,
    total_records = judged.total_records
FROM judged
WHERE
    reach.symbol = judged.symbol
    AND reach.timeframe = judged.timeframe
    AND (reach.is_complete, reach.total_records) IS DISTINCT FROM (judged.is_complete, judged.total_records)
