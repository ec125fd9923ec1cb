-- Keeps one outage that witnesses at the exchange confirmed.
-- Binds: timeframe, starts_at, ends_at, evidence, clock. Table: exchange_outage. A second run changes nothing.
INSERT INTO exchange_outage AS outage (timeframe, starts_at, ends_at, source, evidence, discovered_at)
VALUES (
    %(timeframe)s::text,
    %(starts_at)s::timestamptz,
    %(ends_at)s::timestamptz,
    'witnesses',
    %(evidence)s::text,
    %(clock)s::timestamptz
)
ON CONFLICT (timeframe, starts_at) DO UPDATE SET
    ends_at = excluded.ends_at,
    source = excluded.source,
    evidence = excluded.evidence
WHERE outage.ends_at < excluded.ends_at
