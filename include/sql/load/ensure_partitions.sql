-- Makes the partitions that [window_start, window_end) needs. Returns how many were made.
-- Binds: timeframe, window_start, window_end. Function: ensure_market_data_partitions. A second run is safe.
SELECT ensure_market_data_partitions(
    %(timeframe)s::text, %(window_start)s::timestamptz, %(window_end)s::timestamptz
);
