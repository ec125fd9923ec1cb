-- The windows of a dataset whose candles were recorded after an instant of the database's clock: first and last window, and how many candles.
-- Binds: symbols, timeframe, starts, ends, as_of. Reads data_sync_log. Safe to run again.
SELECT
    log.symbol,
    log.dag_id,
    greatest(min(log.window_start), %(starts)s::timestamptz) AS first_start,
    least(max(log.window_end), %(ends)s::timestamptz) AS last_end,
    sum(log.rows_inserted)::bigint AS candles
FROM data_sync_log AS log
WHERE
    log.symbol = any(%(symbols)s::text[])
    AND log.timeframe = %(timeframe)s::text
    AND log.recorded_at > %(as_of)s::timestamptz
    AND log.window_start < %(ends)s::timestamptz
    AND log.window_end > %(starts)s::timestamptz
    AND log.rows_inserted > 0
GROUP BY log.symbol, log.dag_id, log.run_id
ORDER BY log.symbol, first_start, log.dag_id;
