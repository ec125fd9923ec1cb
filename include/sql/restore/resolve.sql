-- Resolves the pruned gaps of a series inside [range_start, range_end), whose candles the same transaction brings back; what of
-- them lies outside stays pruned.
-- Binds: symbol, timeframe, range_start, range_end, clock. Table: data_gap. A second run changes nothing.
WITH taken AS MATERIALIZED (
    SELECT
        gap_start,
        gap_end,
        first_seen
    FROM data_gap
    WHERE
        symbol = %(symbol)s::text
        AND timeframe = %(timeframe)s::text
        AND resolved_at IS NULL
        AND cause = 'pruned'
        AND gap_start < %(range_end)s::timestamptz
        AND gap_end > %(range_start)s::timestamptz
),

resolved AS (
    UPDATE data_gap AS gap SET resolved_at = %(clock)s::timestamptz, last_checked = %(clock)s::timestamptz
    FROM taken
    WHERE
        gap.symbol = %(symbol)s::text
        AND gap.timeframe = %(timeframe)s::text
        AND gap.gap_start = taken.gap_start
        AND gap.gap_end = taken.gap_end
),

rest AS (
    SELECT
        unnest(
            tstzmultirange(tstzrange(gap_start, gap_end))
            - tstzmultirange(tstzrange(%(range_start)s::timestamptz, %(range_end)s::timestamptz))
        ) AS span,
        first_seen
    FROM taken
)

INSERT INTO data_gap AS gap (symbol, timeframe, gap_start, gap_end, missing_records, cause, first_seen, last_checked)
SELECT
    %(symbol)s::text,
    %(timeframe)s::text,
    lower(span),
    upper(span),
    (extract(EPOCH FROM upper(span) - lower(span)) / extract(EPOCH FROM timeframe_step(%(timeframe)s::text)))::bigint,
    'pruned',
    first_seen,
    %(clock)s::timestamptz
FROM rest
ORDER BY lower(span)
ON CONFLICT (symbol, timeframe, gap_start, gap_end) DO UPDATE SET
    cause = excluded.cause,
    last_checked = excluded.last_checked,
    resolved_at = NULL;
