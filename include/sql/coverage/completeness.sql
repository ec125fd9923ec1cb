-- Completeness over the last 30, 90 and 365 days as last measured, over all series that are not excluded, by timeframe and together
-- (timeframe null). below_99: series with less than 99 percent of the candles that any load can bring.
-- Binds: none. Tables: data_quality, symbol_listing. Reads only, counts no candle.
SELECT
    rtrim(quality.period, 'd')::integer AS days,
    quality.timeframe,
    count(*) AS series,
    sum(quality.expected_records)::bigint AS expected,
    sum(quality.actual_records)::bigint AS present,
    sum(quality.missing_records)::bigint AS missing,
    sum(quality.unfillable_records)::bigint AS unfillable,
    count(*) FILTER (
        WHERE quality.adjusted_completeness_percentage < 99 AND quality.expected_records > quality.unfillable_records
    ) AS series_below_99,
    max(quality.checked_at) AS measured_at
FROM data_quality AS quality
WHERE
    quality.period <> 'month'
    AND NOT EXISTS (
        SELECT FROM symbol_listing AS listing
        WHERE listing.symbol = quality.symbol AND listing.excluded_by IS NOT NULL
    )
GROUP BY GROUPING SETS ((quality.period, quality.timeframe), (quality.period))
ORDER BY days, timeframe_step(quality.timeframe) NULLS FIRST;
