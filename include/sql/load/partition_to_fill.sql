-- The partition into which a whole window goes, which stays in its place until the transaction ends; null where it has to go through market_data.
-- Binds: timeframe, window_start, window_end. Function: partition_to_fill. A second run is safe.
SELECT partition_to_fill(%(timeframe)s::text, %(window_start)s::timestamptz, %(window_end)s::timestamptz);
