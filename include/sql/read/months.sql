-- Candles and digest of each month of a range, for its fingerprint.
-- Binds: symbol, timeframe, starts, ends, verify. Reads series_fingerprint, market_data. Safe to run again.
SELECT
    part.month,
    part.candles,
    part.digest
FROM ohlcv_months(%(symbol)s::text, %(timeframe)s::text, %(starts)s::timestamptz, %(ends)s::timestamptz, %(verify)s::boolean) AS part
ORDER BY part.month;
