-- Notes that a series was found complete without a transfer.
-- Binds: symbol, timeframe, clock. Table: historical_data_range. A second run is safe.
UPDATE historical_data_range SET last_synced = greatest(last_synced, %(clock)s::timestamptz)
WHERE symbol = %(symbol)s::text AND timeframe = %(timeframe)s::text;
