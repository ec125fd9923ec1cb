-- The unresolved gaps of some series that [range_start, range_end) touches, and what is worth asking for among them: gaps
-- without an explanation that gap fills have found empty fewer than max_attempts times.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), range_start, range_end, max_attempts.
-- Table: data_gap. Reads only.
SELECT
    gap.symbol,
    gap.timeframe,
    gap.gap_start,
    gap.gap_end,
    gap.missing_records,
    gap.cause,
    gap.attempts,
    gap.cause IN ('open', 'not_published') AND gap.attempts < %(max_attempts)s::integer AS is_worth_asking
FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) WITH ORDINALITY AS series (symbol, timeframe, position)
INNER JOIN data_gap AS gap ON series.symbol = gap.symbol AND series.timeframe = gap.timeframe
WHERE
    gap.resolved_at IS NULL
    AND gap.gap_start < %(range_end)s::timestamptz
    AND gap.gap_end > %(range_start)s::timestamptz
ORDER BY series.position, gap.gap_start;
