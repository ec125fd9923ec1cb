-- Late runs that somebody has to hear of: the open ones, and those that have cleared since they were told; one a Dag, the open one
-- before a cleared one.
-- Binds: prefix (what the names of late runs begin with). Table: sla_miss. Reads only.
SELECT DISTINCT ON (what)
    what,
    detail,
    cleared_at IS NULL AS is_open
FROM sla_miss
WHERE starts_with(what, %(prefix)s::text) AND (cleared_at IS NULL OR last_sent_at <= cleared_at)
ORDER BY what ASC, cleared_at DESC NULLS FIRST;
