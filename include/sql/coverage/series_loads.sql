-- The last windows of a series that were loaded or failed, the newest first.
-- Binds: symbol, timeframe, most (rows). Table: data_sync_log. Reads only.
SELECT
    dag_id,
    run_id,
    window_start,
    window_end,
    source,
    status,
    rows_fetched,
    rows_inserted,
    rows_revised,
    requests,
    started_at,
    finished_at,
    error
FROM data_sync_log
WHERE symbol = %(symbol)s::text AND timeframe = %(timeframe)s::text
ORDER BY finished_at DESC, id DESC
LIMIT %(most)s::integer;
