-- Takes a partition out of market_data, and returns the name of the table it is then. Function: take_out_market_data_partition.
-- Binds: timeframe, range_start. A second run fails: it is gone.
SELECT take_out_market_data_partition(%(timeframe)s::text, %(range_start)s::timestamptz);
