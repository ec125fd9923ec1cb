-- Notes that a source was asked for a gap and had nothing: on which day, and that it was one more attempt.
-- Binds: symbol, timeframe, starts, ends (timestamptz[]; entry i of both is a window confirmed empty), source ('rest' or
-- 'archive'), day, attempts (0 or 1, added). Table: data_gap. A second run adds the attempt again, never the day.
UPDATE data_gap AS gap SET
    rest_empty_on = CASE
        WHEN %(source)s::text = 'rest' AND %(day)s::date <> all(gap.rest_empty_on) THEN gap.rest_empty_on || %(day)s::date
        ELSE gap.rest_empty_on
    END,
    archive_empty_on = CASE
        WHEN %(source)s::text = 'archive' AND %(day)s::date <> all(gap.archive_empty_on) THEN gap.archive_empty_on || %(day)s::date
        ELSE gap.archive_empty_on
    END,
    attempts = gap.attempts + %(attempts)s::integer
WHERE
    gap.symbol = %(symbol)s::text
    AND gap.timeframe = %(timeframe)s::text
    AND gap.resolved_at IS NULL
    AND gap.cause <> 'pruned'
    AND EXISTS (
        SELECT FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS emptied (starts_at, ends_at)
        WHERE emptied.starts_at <= gap.gap_start AND gap.gap_end <= emptied.ends_at
    )
