-- What one run did, over all its windows. A window that failed and was loaded by a later try of the run counts as loaded.
-- Binds: dag_id, run_id. Table: data_sync_log. A second run is safe.
SELECT
    count(*) FILTER (WHERE status = 'success') AS windows,
    coalesce(sum(rows_inserted), 0)::bigint AS inserted,
    coalesce(sum(rows_revised), 0)::bigint AS revised,
    coalesce(sum(rows_unchanged), 0)::bigint AS unchanged,
    coalesce(sum(rows_rejected) FILTER (WHERE status = 'success'), 0)::bigint AS rejected,
    coalesce(sum(requests), 0)::bigint AS requests,
    coalesce(sum(retries), 0)::bigint AS retries,
    coalesce(sum(rate_limited), 0)::bigint AS rate_limited
FROM data_sync_log
WHERE dag_id = %(dag_id)s::text AND run_id = %(run_id)s::text;
