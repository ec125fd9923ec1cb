-- The measured months of [range_start, range_end) in one row, and the unresolved gaps of the same series by cause.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), range_start, range_end. Tables: data_quality, data_gap.
-- Reads only.
WITH series AS (
    SELECT
        symbol,
        timeframe
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS wanted (symbol, timeframe)
),

causes AS (
    SELECT
        gap.cause,
        count(*) AS gaps
    FROM series
    INNER JOIN data_gap AS gap ON series.symbol = gap.symbol AND series.timeframe = gap.timeframe
    WHERE
        gap.resolved_at IS NULL
        AND gap.gap_start < %(range_end)s::timestamptz
        AND gap.gap_end > %(range_start)s::timestamptz
    GROUP BY gap.cause
)

SELECT
    count(DISTINCT series.symbol || ' ' || series.timeframe) AS series,
    count(*) AS months,
    coalesce(sum(quality.expected_records), 0)::bigint AS expected,
    coalesce(sum(quality.actual_records), 0)::bigint AS actual,
    coalesce(sum(quality.unfillable_records), 0)::bigint AS unfillable,
    (SELECT coalesce(json_object_agg(causes.cause, causes.gaps ORDER BY causes.cause), '{}') FROM causes) AS gaps
FROM series
CROSS JOIN
    LATERAL (
        SELECT
            month.expected_records,
            month.actual_records,
            month.unfillable_records
        FROM data_quality AS month
        WHERE
            month.symbol = series.symbol
            AND month.timeframe = series.timeframe
            AND month.period = 'month'
            AND month.date_range_start > %(range_start)s::timestamptz - interval '31 days'
            AND month.date_range_start < %(range_end)s::timestamptz
            AND month.date_range_end > %(range_start)s::timestamptz
        -- looked up series by series: read as a join, all months of all years would be
        OFFSET 0 -- noqa: AM09
    ) AS quality
