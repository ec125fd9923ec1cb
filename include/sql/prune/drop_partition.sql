-- Detaches and drops a partition, and returns its name. Function: drop_market_data_partition.
-- Binds: timeframe, range_start. A second run fails: it is gone.
SELECT drop_market_data_partition(%(timeframe)s::text, %(range_start)s::timestamptz);
