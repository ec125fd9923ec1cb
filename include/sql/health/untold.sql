-- What somebody has to be told about one promise: whether a miss was never sent or last sent before `sent_before`, and which
-- misses were sent, have cleared since, and nobody was told.
-- Binds: what, sent_before. Table: sla_miss. Reads only.
SELECT
    count(*) FILTER (WHERE cleared_at IS NULL AND last_sent_at IS NULL) AS new_misses,
    count(*) FILTER (WHERE cleared_at IS NULL AND last_sent_at <= %(sent_before)s::timestamptz) AS misses_to_repeat,
    coalesce(
        array_agg(concat_ws(' ', symbol, timeframe) ORDER BY id) FILTER (WHERE cleared_at IS NOT NULL),
        '{}'
    ) AS cleared
FROM sla_miss
WHERE what = %(what)s::text AND (cleared_at IS NULL OR last_sent_at <= cleared_at);
