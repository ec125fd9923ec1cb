-- The windows of a run that failed and that nothing has loaded since, in one piece or in several, with the newest reason.
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
    AND NOT coalesce(
        tstzrange(failed.window_start, failed.window_end) <@ (
            SELECT range_agg(tstzrange(loaded.window_start, loaded.window_end))
            FROM data_sync_log AS loaded
            WHERE
                loaded.symbol = failed.symbol AND loaded.timeframe = failed.timeframe
                AND loaded.status = 'success' AND loaded.id > failed.id
        ),
        FALSE
    )
ORDER BY failed.symbol ASC, failed.timeframe ASC, failed.window_start ASC, failed.id DESC;
