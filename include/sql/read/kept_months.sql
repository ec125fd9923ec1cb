-- The digests that are kept of whole months; who uses one compares its number of candles with those read.
-- Binds: symbols, timeframe, starts, ends. Reads series_fingerprint. Safe to run again.
SELECT
    kept.symbol,
    kept.month,
    kept.candles,
    kept.digest
FROM series_fingerprint AS kept
WHERE
    kept.symbol = any(%(symbols)s::text[])
    AND kept.timeframe = %(timeframe)s::text
    AND kept.month >= (%(starts)s::timestamptz AT TIME ZONE 'UTC')::date
    AND kept.month < (%(ends)s::timestamptz AT TIME ZONE 'UTC')::date
    AND kept.digest IS NOT NULL;
