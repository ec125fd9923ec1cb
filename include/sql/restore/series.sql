-- The series of which a prune took candles inside [range_start, range_end) that have not been brought back.
-- Binds: symbols, timeframes (text[] or null for all), range_start, range_end. Table: data_gap. Reads only.
SELECT DISTINCT
    symbol,
    timeframe
FROM data_gap
WHERE
    resolved_at IS NULL
    AND cause = 'pruned'
    AND gap_start < %(range_end)s::timestamptz
    AND gap_end > %(range_start)s::timestamptz
    AND (%(symbols)s::text[] IS NULL OR symbol = any(%(symbols)s::text[]))
    AND (%(timeframes)s::text[] IS NULL OR timeframe = any(%(timeframes)s::text[]))
ORDER BY timeframe, symbol;
