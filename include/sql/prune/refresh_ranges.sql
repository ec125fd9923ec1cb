-- Brings the ranges of some series to what is stored after `removed` candles went; a series without any candle has no range.
-- Binds: symbols, removed (bigint[]; entry i of both is a series, each once), timeframe. Tables: historical_data_range, market_data.
-- A second run subtracts twice: it belongs into the transaction that removed them.
WITH series AS (
    SELECT
        symbol,
        removed
    FROM unnest(%(symbols)s::text[], %(removed)s::bigint[]) AS wanted (symbol, removed)
),

reach AS MATERIALIZED (
    -- two looks into the key of each series, however much of it stays; locked by name, as load/touch_series.sql does
    SELECT
        series.symbol,
        series.removed,
        (
            SELECT min(candle.timestamp) FROM market_data AS candle
            WHERE candle.symbol = series.symbol AND candle.timeframe = %(timeframe)s::text
        ) AS earliest_date,
        (
            SELECT max(candle.timestamp) FROM market_data AS candle
            WHERE candle.symbol = series.symbol AND candle.timeframe = %(timeframe)s::text
        ) AS latest_date
    FROM series
    INNER JOIN historical_data_range AS stored ON series.symbol = stored.symbol AND stored.timeframe = %(timeframe)s::text
    ORDER BY stored.symbol
    FOR UPDATE OF stored
),

emptied AS (
    DELETE FROM historical_data_range AS stored
    USING reach
    WHERE stored.symbol = reach.symbol AND stored.timeframe = %(timeframe)s::text AND reach.earliest_date IS NULL
)

UPDATE historical_data_range AS stored SET
    earliest_date = reach.earliest_date,
    latest_date = reach.latest_date,
    total_records = greatest(stored.total_records - reach.removed, 0)
FROM reach
WHERE
    stored.symbol = reach.symbol
    AND stored.timeframe = %(timeframe)s::text
    AND reach.earliest_date IS NOT NULL;
