-- Requests and windows of (since, until], in one row whose columns are the names of the figures.
-- Binds: since, until. Table: data_sync_log. Reads only.
SELECT
    coalesce(sum(requests), 0)::bigint AS requests_last_hour,
    coalesce(sum(errors), 0)::bigint AS request_errors_last_hour,
    coalesce(sum(retries), 0)::bigint AS request_retries_last_hour,
    coalesce(sum(rate_limited), 0)::bigint AS rate_limited_last_hour,
    count(*) AS windows_last_hour,
    count(*) FILTER (WHERE status = 'failed') AS windows_failed_last_hour
FROM data_sync_log
WHERE finished_at > %(since)s::timestamptz AND finished_at <= %(until)s::timestamptz;
