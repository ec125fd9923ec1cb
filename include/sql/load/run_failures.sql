-- The windows of a run that failed and that no later try of it has loaded, with the newest reason.
-- Binds: dag_id, run_id. Table: data_sync_log. A second run is safe.
SELECT DISTINCT ON (failed.symbol, failed.timeframe, failed.window_start)
    failed.symbol,
    failed.timeframe,
    failed.window_start,
    failed.window_end,
    failed.error
FROM data_sync_log AS failed
WHERE
    failed.dag_id = %(dag_id)s::text AND failed.run_id = %(run_id)s::text AND failed.status = 'failed'
    AND NOT EXISTS (
        SELECT FROM data_sync_log AS loaded
        WHERE
            loaded.dag_id = failed.dag_id AND loaded.run_id = failed.run_id AND loaded.status = 'success'
            AND loaded.symbol = failed.symbol AND loaded.timeframe = failed.timeframe
            AND loaded.window_start = failed.window_start AND loaded.window_end = failed.window_end
            AND loaded.id > failed.id
    )
ORDER BY failed.symbol ASC, failed.timeframe ASC, failed.window_start ASC, failed.id DESC;
