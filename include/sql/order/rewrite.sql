-- Writes a partition anew in the order of its symbols and returns the number of its candles. Function: order_market_data_partition.
-- Binds: timeframe, range_start. A second run is safe: it writes the same again.
SELECT order_market_data_partition(%(timeframe)s::text, %(range_start)s::timestamptz);
