-- Series with gaps that nobody explained and that were first seen before `seen_before`: how many, how many candles, from when
-- to when. Most missing candles first. What follows a confirmed suspension that has not ended waits for its own confirmation.
-- Binds: seen_before, timeframes (text[]). Tables: data_gap, historical_data_range, symbol_listing. Reads only.
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
    AND NOT EXISTS (
        SELECT FROM historical_data_range AS reach
        INNER JOIN data_gap AS standstill ON reach.symbol = standstill.symbol AND reach.timeframe = standstill.timeframe
        WHERE
            reach.symbol = gap.symbol
            AND reach.timeframe = gap.timeframe
            AND standstill.gap_start = reach.latest_date + timeframe_step(gap.timeframe)
            AND standstill.gap_start < gap.gap_start
            AND standstill.cause = 'suspension'
            AND standstill.resolved_at IS NULL
    )
GROUP BY gap.symbol, gap.timeframe
ORDER BY missing DESC, gap.symbol ASC, gap.timeframe ASC;
