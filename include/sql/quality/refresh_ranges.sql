-- Brings ranges to what is stored: is_complete of every series to its gaps; of the measured series also earliest_date,
-- latest_date and total_records, so that rows deleted by hand do not stay counted, and what a load counted while another
-- measurement ran is not lost. Months give their counts; only what lies outside of them is counted here.
-- Binds: symbols, timeframes (text[]; entry i of both names a measured series).
-- Tables: historical_data_range (written), market_data, data_gap, data_quality. A second run changes nothing.
WITH unexplained AS (
    SELECT DISTINCT
        symbol,
        timeframe
    FROM data_gap
    WHERE resolved_at IS NULL AND cause IN ('open', 'not_published')
),

measured AS MATERIALIZED (
    SELECT
        reach.symbol,
        reach.timeframe,
        coalesce(
            (
                SELECT candle.timestamp FROM market_data AS candle
                WHERE candle.symbol = reach.symbol AND candle.timeframe = reach.timeframe AND candle.timestamp = reach.earliest_date
            ),
            (
                SELECT candle.timestamp FROM market_data AS candle
                WHERE candle.symbol = reach.symbol AND candle.timeframe = reach.timeframe
                ORDER BY candle.timestamp LIMIT 1
            )
        ) AS earliest_date,
        coalesce(
            (
                SELECT candle.timestamp FROM market_data AS candle
                WHERE candle.symbol = reach.symbol AND candle.timeframe = reach.timeframe AND candle.timestamp = reach.latest_date
            ),
            (
                SELECT candle.timestamp FROM market_data AS candle
                WHERE candle.symbol = reach.symbol AND candle.timeframe = reach.timeframe
                ORDER BY candle.timestamp DESC LIMIT 1
            )
        ) AS latest_date
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    INNER JOIN historical_data_range AS reach ON series.symbol = reach.symbol AND series.timeframe = reach.timeframe
),

counted AS MATERIALIZED (
    SELECT
        measured.symbol,
        measured.timeframe,
        months.candles,
        months.starts_at,
        months.ends_at,
        months.is_whole
    FROM measured
    CROSS JOIN
        LATERAL (
            SELECT
                sum(quality.actual_records)::bigint AS candles,
                min(quality.date_range_start) AS starts_at,
                max(quality.date_range_end) AS ends_at,
                max(quality.date_range_end) - min(quality.date_range_start)
                = sum(quality.date_range_end - quality.date_range_start) AS is_whole
            FROM data_quality AS quality
            WHERE quality.symbol = measured.symbol AND quality.timeframe = measured.timeframe AND quality.period = 'month'
        ) AS months
    WHERE months.candles IS NOT NULL
),

-- before the first month, behind the last one, between months that do not touch
outside AS (
    SELECT
        measured.symbol,
        measured.timeframe,
        measured.earliest_date AS starts_at,
        counted.starts_at AS ends_at
    FROM measured
    INNER JOIN counted ON measured.symbol = counted.symbol AND measured.timeframe = counted.timeframe
    WHERE measured.earliest_date < counted.starts_at
    UNION ALL
    SELECT
        measured.symbol,
        measured.timeframe,
        counted.ends_at,
        measured.latest_date + timeframe_step(measured.timeframe)
    FROM measured
    INNER JOIN counted ON measured.symbol = counted.symbol AND measured.timeframe = counted.timeframe
    WHERE counted.ends_at <= measured.latest_date
    UNION ALL
    SELECT
        bordered.symbol,
        bordered.timeframe,
        bordered.ends_before,
        bordered.starts_at
    FROM (
        SELECT
            quality.symbol,
            quality.timeframe,
            quality.date_range_start AS starts_at,
            lag(quality.date_range_end) OVER (
                PARTITION BY quality.symbol, quality.timeframe ORDER BY quality.date_range_start
            ) AS ends_before
        FROM counted
        INNER JOIN data_quality AS quality
            ON counted.symbol = quality.symbol AND counted.timeframe = quality.timeframe AND quality.period = 'month'
        WHERE NOT counted.is_whole
    ) AS bordered
    WHERE bordered.ends_before < bordered.starts_at
),

counted_outside AS (
    SELECT
        outside.symbol,
        outside.timeframe,
        sum(stored.candles)::bigint AS candles
    FROM outside
    CROSS JOIN
        LATERAL (
            SELECT count(*) AS candles
            FROM market_data AS candle
            WHERE
                candle.symbol = outside.symbol
                AND candle.timeframe = outside.timeframe
                AND candle.timestamp >= outside.starts_at
                AND candle.timestamp < outside.ends_at
        ) AS stored
    GROUP BY outside.symbol, outside.timeframe
),

judged AS (
    SELECT
        reach.symbol,
        reach.timeframe,
        unexplained.symbol IS NULL AS is_complete,
        coalesce(measured.earliest_date, reach.earliest_date) AS earliest_date,
        coalesce(measured.latest_date, reach.latest_date) AS latest_date,
        coalesce(counted.candles + coalesce(counted_outside.candles, 0), reach.total_records) AS total_records
    FROM historical_data_range AS reach
    LEFT JOIN unexplained ON reach.symbol = unexplained.symbol AND reach.timeframe = unexplained.timeframe
    LEFT JOIN measured ON reach.symbol = measured.symbol AND reach.timeframe = measured.timeframe
    LEFT JOIN counted ON reach.symbol = counted.symbol AND reach.timeframe = counted.timeframe
    LEFT JOIN counted_outside ON reach.symbol = counted_outside.symbol AND reach.timeframe = counted_outside.timeframe
),

-- locked by name, as load/touch_series.sql does: no two statements wait for each other
changed AS MATERIALIZED (
    SELECT
        judged.symbol,
        judged.timeframe,
        judged.is_complete,
        judged.earliest_date,
        judged.latest_date,
        judged.total_records
    FROM judged
    INNER JOIN historical_data_range AS reach ON judged.symbol = reach.symbol AND judged.timeframe = reach.timeframe
    WHERE
        (reach.is_complete, reach.earliest_date, reach.latest_date, reach.total_records)
        IS DISTINCT FROM (judged.is_complete, judged.earliest_date, judged.latest_date, judged.total_records)
    ORDER BY reach.symbol, reach.timeframe
    FOR UPDATE OF reach
)

UPDATE historical_data_range AS reach SET
    is_complete = changed.is_complete,
    earliest_date = changed.earliest_date,
    latest_date = changed.latest_date,
    total_records = changed.total_records
FROM changed
WHERE reach.symbol = changed.symbol AND reach.timeframe = changed.timeframe
