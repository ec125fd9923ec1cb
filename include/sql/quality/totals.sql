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
    count(DISTINCT quality.symbol || ' ' || quality.timeframe) AS series,
    count(*) AS months,
    coalesce(sum(quality.expected_records), 0)::bigint AS expected,
    coalesce(sum(quality.actual_records), 0)::bigint AS actual,
    coalesce(sum(quality.unfillable_records), 0)::bigint AS unfillable,
    (SELECT coalesce(json_object_agg(causes.cause, causes.gaps ORDER BY causes.cause), '{}') FROM causes) AS gaps
FROM series
INNER JOIN data_quality AS quality
    ON
        series.symbol = quality.symbol
        AND series.timeframe = quality.timeframe
        AND quality.period = 'month'
        AND quality.date_range_start < %(range_end)s::timestamptz
        AND quality.date_range_end > %(range_start)s::timestamptz
