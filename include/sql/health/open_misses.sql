-- Every promise that is broken at the moment, the oldest first.
-- Binds: none. Table: sla_miss. Reads only.
SELECT
    what,
    symbol,
    timeframe,
    detail,
    missed_at
FROM sla_miss
WHERE cleared_at IS NULL
ORDER BY what, missed_at, id;
