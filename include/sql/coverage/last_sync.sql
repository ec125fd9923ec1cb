-- The window that was loaded last, with success.
-- Binds: none. Table: data_sync_log. Reads only.
SELECT
    finished_at,
    dag_id,
    run_id
FROM data_sync_log
WHERE status = 'success'
ORDER BY finished_at DESC
LIMIT 1;
