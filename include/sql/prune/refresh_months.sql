-- Counts the months of data_quality again that [range_start, range_end) touches; quality/refresh_months.sql then says how much
-- of what is missing is explained.
-- Binds: symbols, timeframe, range_start, range_end, clock. Tables: data_quality (written), market_data.
-- A second run changes nothing.
WITH counted AS (
    SELECT
        quality.symbol,
        quality.date_range_start,
        least(
            quality.expected_records,
            (
                SELECT count(*)
                FROM market_data AS candle
                WHERE
                    candle.symbol = quality.symbol
                    AND candle.timeframe = %(timeframe)s::text
                    AND candle.timestamp >= quality.date_range_start
                    AND candle.timestamp < quality.date_range_end
            )
        ) AS actual
    FROM data_quality AS quality
    WHERE
        quality.symbol = any(%(symbols)s::text[])
        AND quality.timeframe = %(timeframe)s::text
        AND quality.period = 'month'
        AND quality.date_range_start < %(range_end)s::timestamptz
        AND quality.date_range_end > %(range_start)s::timestamptz
)

UPDATE data_quality AS quality SET
    actual_records = counted.actual,
    missing_records = quality.expected_records - counted.actual,
    unfillable_records = 0,
    completeness_percentage = 100.0 * counted.actual / quality.expected_records,
    adjusted_completeness_percentage = 100.0 * counted.actual / quality.expected_records,
    has_gaps = counted.actual < quality.expected_records,
    checked_at = %(clock)s::timestamptz
FROM counted
WHERE
    quality.symbol = counted.symbol
    AND quality.timeframe = %(timeframe)s::text
    AND quality.period = 'month'
    AND quality.date_range_start = counted.date_range_start
    AND quality.expected_records > 0
    AND quality.actual_records <> counted.actual;
