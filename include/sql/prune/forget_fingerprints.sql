-- Makes the kept digests of the months that [range_start, range_end) touches void: a dropped partition fires no trigger.
-- Binds: symbols, timeframe, range_start, range_end. Table: series_fingerprint. A second run is safe.
UPDATE series_fingerprint SET candles = NULL, digest = NULL, computed_at = NULL
WHERE
    symbol = any(%(symbols)s::text[])
    AND timeframe = %(timeframe)s::text
    AND month >= date_trunc('month', %(range_start)s::timestamptz AT TIME ZONE 'UTC')::date
    AND month < (%(range_end)s::timestamptz AT TIME ZONE 'UTC')::date
    AND digest IS NOT NULL;
