-- How many unresolved gaps of a series lie in [window_start, window_end) or end at its edge, and how many pruned ones lie in it.
-- Binds: symbol, timeframe, window_start, window_end. Table: data_gap. A second run is safe.
SELECT
    count(*) AS gaps,
    count(*) FILTER (
        WHERE cause = 'pruned' AND gap_start < %(window_end)s::timestamptz AND gap_end > %(window_start)s::timestamptz
    ) AS pruned
FROM data_gap
WHERE
    symbol = %(symbol)s::text AND timeframe = %(timeframe)s::text
    AND gap_start <= %(window_end)s::timestamptz AND gap_end >= %(window_start)s::timestamptz
    AND resolved_at IS NULL;
