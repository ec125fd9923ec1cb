-- Broken promises: those that are open first, then those that cleared since `since`, the newest first.
-- Binds: since, most (rows). Table: sla_miss. Reads only.
SELECT
    what,
    symbol,
    timeframe,
    detail,
    missed_at,
    cleared_at
FROM sla_miss
WHERE cleared_at IS NULL OR cleared_at >= %(since)s::timestamptz
ORDER BY cleared_at IS NOT NULL, missed_at DESC, id DESC
LIMIT %(most)s::integer;
