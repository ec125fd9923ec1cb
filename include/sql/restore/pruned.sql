-- What a prune took of a series inside [range_start, range_end) and has not been brought back. Spans on the grid, in order.
-- Binds: symbol, timeframe, range_start, range_end. Table: data_gap. Reads only.
WITH taken AS (
    SELECT
        unnest(
            range_agg(tstzrange(gap_start, gap_end))
            * tstzmultirange(tstzrange(%(range_start)s::timestamptz, %(range_end)s::timestamptz))
        ) AS span
    FROM data_gap
    WHERE symbol = %(symbol)s::text AND timeframe = %(timeframe)s::text AND resolved_at IS NULL AND cause = 'pruned'
)

SELECT
    lower(span) AS starts_at,
    upper(span) AS ends_at
FROM taken
ORDER BY 1;
