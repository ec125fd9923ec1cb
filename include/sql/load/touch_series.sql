-- Notes that series were found complete without a transfer.
-- Binds: symbols, timeframes (entry i of both names a series), clock. Table: historical_data_range. A second run is safe.
UPDATE historical_data_range AS reach SET last_synced = greatest(reach.last_synced, %(clock)s::timestamptz)
FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
WHERE reach.symbol = series.symbol AND reach.timeframe = series.timeframe;
