-- The candles of a dataset of which a revision was recorded after an instant of the database's clock.
-- Binds: symbols, timeframe, starts, ends, as_of. Reads market_data_revision. Safe to run again.
SELECT DISTINCT
    revision.symbol,
    revision.timestamp
FROM market_data_revision AS revision
WHERE
    revision.symbol = any(%(symbols)s::text[])
    AND revision.timeframe = %(timeframe)s::text
    AND revision.timestamp >= %(starts)s::timestamptz
    AND revision.timestamp < %(ends)s::timestamptz
    AND revision.recorded_at > %(as_of)s::timestamptz
ORDER BY revision.symbol, revision.timestamp;
