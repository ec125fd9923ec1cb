-- Notes that somebody was told: of every open miss of one promise, and of those that have cleared since they were sent:
-- a time after cleared_at says that this was told too.
-- Binds: what, clock. Table: sla_miss. A second run with the same clock changes nothing.
UPDATE sla_miss SET last_sent_at = greatest(%(clock)s::timestamptz, missed_at, cleared_at + interval '1 microsecond')
WHERE what = %(what)s::text AND (cleared_at IS NULL OR last_sent_at <= cleared_at);
