-- Keeps how far a series reaches, from what its window has just added.
-- Binds: symbol, timeframe, first_timestamp, last_timestamp, inserted, clock. Tables: historical_data_range, data_gap.
-- A second run counts the inserted candles twice: it belongs into the transaction that inserted them.
INSERT INTO historical_data_range AS reach (
    symbol, timeframe, earliest_date, latest_date, total_records, is_complete, last_synced
)
SELECT
    %(symbol)s::text,
    %(timeframe)s::text,
    %(first_timestamp)s::timestamptz,
    %(last_timestamp)s::timestamptz,
    %(inserted)s::bigint,
    NOT EXISTS (
        SELECT FROM data_gap AS gap
        WHERE
            gap.symbol = %(symbol)s::text AND gap.timeframe = %(timeframe)s::text
            AND gap.resolved_at IS NULL AND gap.cause IN ('open', 'not_published')
    ),
    %(clock)s::timestamptz
ON CONFLICT (symbol, timeframe) DO UPDATE SET
    earliest_date = least(reach.earliest_date, excluded.earliest_date),
    latest_date = greatest(reach.latest_date, excluded.latest_date),
    total_records = reach.total_records + excluded.total_records,
    is_complete = excluded.is_complete,
    last_synced = greatest(reach.last_synced, excluded.last_synced);
