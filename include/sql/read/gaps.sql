-- What is known about the missing candles of a range.
-- Binds: symbols, timeframe, starts, ends. Reads data_gap. Safe to run again.
SELECT
    gap.symbol,
    gap.gap_start,
    gap.gap_end,
    gap.cause
FROM data_gap AS gap
WHERE
    gap.symbol = any(%(symbols)s::text[])
    AND gap.timeframe = %(timeframe)s::text
    AND gap.gap_start < %(ends)s::timestamptz
    AND gap.gap_end > %(starts)s::timestamptz
    AND gap.resolved_at IS NULL
ORDER BY gap.symbol, gap.gap_start;
