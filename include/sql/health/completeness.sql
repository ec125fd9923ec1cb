-- Series that have less than `floor` percent of the candles that any load can bring, in one of the last 30, 90 or 365 days as
-- they were last measured: each of those periods, and what is known to be missing in the longest one, by cause. The worst first.
-- A series that stands still in a confirmed suspension is left out until it goes on: its newest days are not confirmed yet.
-- So is a pair that the exchange does not trade any more, for the three days until it counts as delisted.
-- Binds: floor (percent), timeframes (text[]). Tables: data_quality, data_gap, historical_data_range, symbol_listing. Reads only.
WITH short AS (
    SELECT
        quality.symbol,
        quality.timeframe,
        min(quality.adjusted_completeness_percentage) AS lowest,
        min(quality.date_range_start) AS range_start,
        max(quality.date_range_end) AS range_end,
        string_agg(
            trunc(quality.adjusted_completeness_percentage::numeric, 2) || ' percent of ' || rtrim(quality.period, 'd') || ' days',
            ', ' ORDER BY quality.date_range_start DESC
        ) AS shares
    FROM data_quality AS quality
    WHERE
        quality.period <> 'month'
        AND quality.timeframe = any(%(timeframes)s::text[])
        AND quality.expected_records > quality.unfillable_records
        AND quality.adjusted_completeness_percentage < %(floor)s::double precision
        AND NOT EXISTS (
            SELECT FROM symbol_listing AS listing
            WHERE listing.symbol = quality.symbol AND listing.excluded_by IS NOT NULL
        )
        AND NOT EXISTS (
            SELECT FROM historical_data_range AS reach
            INNER JOIN data_gap AS standstill ON reach.symbol = standstill.symbol AND reach.timeframe = standstill.timeframe
            WHERE
                reach.symbol = quality.symbol
                AND reach.timeframe = quality.timeframe
                AND standstill.gap_start = reach.latest_date + timeframe_step(quality.timeframe)
                AND standstill.cause = 'suspension'
                AND standstill.resolved_at IS NULL
        )
        AND NOT EXISTS (
            SELECT FROM symbol_listing AS listing
            WHERE listing.symbol = quality.symbol AND listing.delisted_at IS NULL AND listing.status <> 'TRADING'
        )
    GROUP BY quality.symbol, quality.timeframe
)

SELECT
    short.symbol,
    short.timeframe,
    short.shares,
    extract(DAY FROM short.range_end - short.range_start)::integer AS days,
    (
        SELECT string_agg(by_cause.missing || ' ' || by_cause.cause, ', ' ORDER BY by_cause.cause)
        FROM (
            SELECT
                gap.cause,
                sum(gap.missing_records) AS missing
            FROM data_gap AS gap
            WHERE
                gap.symbol = short.symbol
                AND gap.timeframe = short.timeframe
                AND gap.resolved_at IS NULL
                AND gap.cause IN ('open', 'not_published')
                AND gap.gap_start < short.range_end
                AND gap.gap_end > short.range_start
            GROUP BY gap.cause
        ) AS by_cause
    ) AS missing
FROM short
ORDER BY short.lowest, short.symbol, short.timeframe;
