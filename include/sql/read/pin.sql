-- Pins a dataset under a new name; a name that is taken gives no row.
-- Binds: name, symbols, timeframe, starts, ends, fingerprint, on_gap, on_outage, note. Writes dataset_pin. A second run does nothing.
INSERT INTO dataset_pin (name, symbols, timeframe, range_start, range_end, fingerprint, on_gap, on_outage, note, pinned_at)
VALUES (
    %(name)s::text,
    %(symbols)s::text[],
    %(timeframe)s::text,
    %(starts)s::timestamptz,
    %(ends)s::timestamptz,
    %(fingerprint)s::text,
    %(on_gap)s::text,
    %(on_outage)s::text,
    %(note)s::text,
    clock_timestamp() -- after every revision and window that was read: hold_loads.sql
)
ON CONFLICT (name) DO NOTHING
RETURNING dataset_pin.pinned_at;
