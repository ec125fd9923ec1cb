-- Windows of a run that failed and were not loaded by a later try, in the order in which they failed.
-- Binds: dag_id, run_id, after (id of data_sync_log, 0 for all). Tables: data_sync_log. Reads only.
SELECT
    failed.id,
    failed.lane,
    failed.symbol,
    failed.timeframe,
    failed.window_start,
    failed.window_end,
    failed.error
FROM data_sync_log AS failed
WHERE
    failed.dag_id = %(dag_id)s::text
    AND failed.run_id = %(run_id)s::text
    AND failed.id > %(after)s::bigint
    AND failed.status = 'failed'
    AND NOT EXISTS (
        SELECT FROM data_sync_log AS later
        WHERE
            later.symbol = failed.symbol
            AND later.timeframe = failed.timeframe
            AND later.id > failed.id
            AND later.window_start <= failed.window_start
            AND later.window_end >= failed.window_end
    )
ORDER BY failed.id
