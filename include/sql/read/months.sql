-- Candles and digest of each month of a range, of some symbols, for their fingerprints.
-- Binds: symbols, timeframe, starts, ends, verify. Reads series_fingerprint, market_data. Safe to run again.
SELECT
    wanted.symbol,
    part.month,
    part.candles,
    part.digest
FROM
    unnest(%(symbols)s::text[]) AS wanted (symbol),
    ohlcv_months(
        wanted.symbol, %(timeframe)s::text, %(starts)s::timestamptz, %(ends)s::timestamptz, %(verify)s::boolean
    ) AS part
ORDER BY wanted.symbol, part.month;
