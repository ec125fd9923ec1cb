-- The digests of parts of series, computed from their candles; parts come back in the order they were named in.
-- Binds: symbols, timeframe, starts, ends (one of each a part). Reads market_data. Safe to run again.
SELECT
    made.candles,
    made.digest
FROM
    unnest(%(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    WITH ORDINALITY AS part (symbol, starts, ends, place),
    candle_digest(part.symbol, %(timeframe)s::text, part.starts, part.ends) AS made
ORDER BY part.place;
