-- Series with gaps that nobody explained and that were first seen before `seen_before`: how many, how many candles, from when
-- to when. Most missing candles first.
-- Binds: seen_before, timeframes (text[]). Tables: data_gap, symbol_listing. Reads only.
SELECT
    gap.symbol,
    gap.timeframe,
    count(*) AS gaps,
    sum(gap.missing_records)::bigint AS missing,
    min(gap.gap_start) AS first_start,
    max(gap.gap_end) AS last_end,
    max(gap.attempts) AS attempts
FROM data_gap AS gap
WHERE
    gap.resolved_at IS NULL
    AND gap.cause = 'open'
    AND gap.first_seen < %(seen_before)s::timestamptz
    AND gap.timeframe = any(%(timeframes)s::text[])
    AND NOT EXISTS (
        SELECT FROM symbol_listing AS listing
        WHERE listing.symbol = gap.symbol AND listing.excluded_by IS NOT NULL
    )
GROUP BY gap.symbol, gap.timeframe
ORDER BY missing DESC, gap.symbol ASC, gap.timeframe ASC;
