-- Gaps of a series in [starts, ends), those that are there first, then the resolved ones; the newest first.
-- Binds: symbol, timeframe, starts, ends, most (rows). Table: data_gap. Reads only.
SELECT
    gap_start AS start,
    gap_end AS "end",
    missing_records AS missing,
    cause,
    attempts,
    first_seen,
    last_checked,
    resolved_at
FROM data_gap
WHERE
    symbol = %(symbol)s::text
    AND timeframe = %(timeframe)s::text
    AND gap_start < %(ends)s::timestamptz
    AND gap_end > %(starts)s::timestamptz
ORDER BY resolved_at IS NOT NULL, gap_start DESC
LIMIT %(most)s::integer;
