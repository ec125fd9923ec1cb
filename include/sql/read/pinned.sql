-- The pins, or the one of a name.
-- Binds: name (null = all). Reads dataset_pin. Safe to run again.
SELECT
    pinned.name,
    pinned.symbols,
    pinned.timeframe,
    pinned.range_start,
    pinned.range_end,
    pinned.fingerprint,
    pinned.on_gap,
    pinned.on_outage,
    pinned.note,
    pinned.pinned_at
FROM dataset_pin AS pinned
WHERE coalesce(pinned.name = %(name)s::text, TRUE)
ORDER BY pinned.name;
