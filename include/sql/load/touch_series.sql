-- Notes that series were synced without a new candle.
-- Binds: symbols, timeframes (entry i of both names a series), clock. Tables: historical_data_range, data_gap.
-- A second run is safe.
WITH held AS MATERIALIZED (
    -- by name, as every statement locks several ranges: no two of them wait for each other
    SELECT
        reach.symbol,
        reach.timeframe
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    INNER JOIN historical_data_range AS reach ON series.symbol = reach.symbol AND series.timeframe = reach.timeframe
    ORDER BY reach.symbol, reach.timeframe
    FOR UPDATE OF reach
)

UPDATE historical_data_range AS reach SET
    last_synced = greatest(reach.last_synced, %(clock)s::timestamptz),
    is_complete = NOT EXISTS (
        SELECT FROM data_gap AS gap
        WHERE
            gap.symbol = reach.symbol AND gap.timeframe = reach.timeframe
            AND gap.resolved_at IS NULL AND gap.cause IN ('open', 'not_published')
    )
FROM held
WHERE reach.symbol = held.symbol AND reach.timeframe = held.timeframe;
