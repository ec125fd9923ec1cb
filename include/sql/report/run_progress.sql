-- What a run has done so far: windows, candles and what they changed.
-- Binds: dag_id, run_id. Tables: data_sync_log. Reads only.
SELECT
    count(*) FILTER (WHERE status = 'success') AS windows,
    coalesce(sum(rows_fetched) FILTER (WHERE status = 'success'), 0)::bigint AS fetched,
    coalesce(sum(rows_inserted), 0)::bigint AS inserted,
    coalesce(sum(rows_revised), 0)::bigint AS revised,
    coalesce(sum(rows_unchanged), 0)::bigint AS unchanged,
    coalesce(sum(rows_rejected), 0)::bigint AS rejected,
    coalesce(sum(requests), 0)::bigint AS requests,
    coalesce(max(id), 0) AS last_id
FROM data_sync_log
WHERE dag_id = %(dag_id)s::text AND run_id = %(run_id)s::text
