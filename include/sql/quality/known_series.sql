-- The series of the database: those with stored candles, and those that only have gaps so far.
-- Binds: symbols, timeframes (text[] or null for all). Tables: historical_data_range, data_gap. Reads only.
SELECT
    symbol,
    timeframe
FROM historical_data_range
WHERE
    (%(symbols)s::text[] IS NULL OR symbol = any(%(symbols)s::text[]))
    AND (%(timeframes)s::text[] IS NULL OR timeframe = any(%(timeframes)s::text[]))
UNION
SELECT
    symbol,
    timeframe
FROM data_gap
WHERE
    resolved_at IS NULL
    AND (%(symbols)s::text[] IS NULL OR symbol = any(%(symbols)s::text[]))
    AND (%(timeframes)s::text[] IS NULL OR timeframe = any(%(timeframes)s::text[]))
ORDER BY 1, 2
