-- What failed and what was asked again in [since, until): one row a series, most failed windows first, then most retries.
-- last_error is that of its newest failed window.
-- Binds: since, until. Table: data_sync_log. Reads only.
SELECT
    symbol,
    timeframe,
    count(*) AS windows,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    sum(requests)::bigint AS requests,
    sum(retries)::bigint AS retries,
    (array_agg(error ORDER BY finished_at DESC, id DESC) FILTER (WHERE status = 'failed'))[1] AS last_error
FROM data_sync_log
WHERE finished_at >= %(since)s::timestamptz AND finished_at < %(until)s::timestamptz
GROUP BY symbol, timeframe
ORDER BY failed DESC, retries DESC, symbol ASC, timeframe ASC;
