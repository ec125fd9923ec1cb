-- Requests, errors, retries and answers 429 or 418 of each of the last `hours` hours, every hour present, the oldest first.
-- Binds: clock, hours. Table: data_sync_log. Reads only.
WITH counted AS (
    SELECT
        date_trunc('hour', finished_at, 'UTC') AS hour,
        sum(requests) AS requests,
        sum(errors) AS errors,
        sum(retries) AS retries,
        sum(rate_limited) AS rate_limited,
        count(*) AS windows,
        count(*) FILTER (WHERE status = 'failed') AS failed
    FROM data_sync_log
    WHERE
        finished_at >= date_trunc('hour', %(clock)s::timestamptz, 'UTC') - (%(hours)s::integer - 1) * interval '1 hour'
        AND finished_at <= %(clock)s::timestamptz
    GROUP BY date_trunc('hour', finished_at, 'UTC')
)

SELECT
    each.hour,
    coalesce(counted.requests, 0)::bigint AS requests,
    coalesce(counted.errors, 0)::bigint AS errors,
    coalesce(counted.retries, 0)::bigint AS retries,
    coalesce(counted.rate_limited, 0)::bigint AS rate_limited,
    coalesce(counted.windows, 0)::bigint AS windows,
    coalesce(counted.failed, 0)::bigint AS failed
FROM
    generate_series(
        date_trunc('hour', %(clock)s::timestamptz, 'UTC') - (%(hours)s::integer - 1) * interval '1 hour',
        date_trunc('hour', %(clock)s::timestamptz, 'UTC'),
        interval '1 hour'
    ) AS each (hour)
LEFT JOIN counted ON each.hour = counted.hour
ORDER BY each.hour;
