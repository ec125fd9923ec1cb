-- Keeps writers out of a partition until the transaction ends. Function: hold_market_data_partition.
-- Binds: timeframe, range_start. A second run is safe.
SELECT hold_market_data_partition(%(timeframe)s::text, %(range_start)s::timestamptz);
