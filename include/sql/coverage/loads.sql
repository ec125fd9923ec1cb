-- Windows that were loaded or failed, the newest first.
-- Binds: timeframes (text[], null: all), search (part of a symbol, '' for all), only_problems (boolean: only failed ones), most (rows).
-- Table: data_sync_log. Reads only.
SELECT
    dag_id,
    run_id,
    symbol,
    timeframe,
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
WHERE
    (%(timeframes)s::text[] IS NULL OR timeframe = any(%(timeframes)s::text[]))
    AND position(upper(%(search)s::text) IN upper(symbol)) > 0
    AND (NOT %(only_problems)s::boolean OR status = 'failed')
ORDER BY finished_at DESC, id DESC
LIMIT %(most)s::integer;
