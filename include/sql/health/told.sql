-- Notes that somebody was told: of every open miss of one promise, and of those that have cleared since they were sent.
-- Binds: what, clock. Table: sla_miss. A second run with the same clock changes nothing.
UPDATE sla_miss SET last_sent_at = greatest(%(clock)s::timestamptz, coalesce(cleared_at, missed_at))
WHERE what = %(what)s::text AND (cleared_at IS NULL OR last_sent_at < cleared_at);
