-- Gaps that are there and candles missing in them, by timeframe and cause.
-- Binds: none. Tables: data_gap, symbol_listing. Reads only.
SELECT
    gap.timeframe,
    gap.cause,
    count(*) AS gaps,
    sum(gap.missing_records)::bigint AS missing
FROM data_gap AS gap
WHERE
    gap.resolved_at IS NULL
    AND NOT EXISTS (
        SELECT FROM symbol_listing AS listing
        WHERE listing.symbol = gap.symbol AND listing.excluded_by IS NOT NULL
    )
GROUP BY gap.timeframe, gap.cause
ORDER BY timeframe_step(gap.timeframe), gap.cause;
