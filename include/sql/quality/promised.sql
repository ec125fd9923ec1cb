-- What was promised or known to be missing of symbols in certain spans, while their listings were others: the months of
-- data_quality that a span touches, and the unresolved gaps in it.
-- Binds: symbols, starts, ends (timestamptz[]; entry i of the three is a span of a symbol).
-- Tables: data_quality, data_gap. Reads only.
WITH moved AS (
    SELECT
        symbol,
        starts_at,
        ends_at
    FROM unnest(%(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS span (symbol, starts_at, ends_at)
)

SELECT
    quality.date_range_start AS starts_at,
    quality.date_range_end AS ends_at,
    'month' AS what,
    quality.symbol,
    quality.timeframe
FROM moved
INNER JOIN data_quality AS quality
    ON
        moved.symbol = quality.symbol
        AND moved.starts_at < quality.date_range_end
        AND moved.ends_at > quality.date_range_start
WHERE quality.period = 'month'
UNION
SELECT
    gap.gap_start,
    gap.gap_end,
    'gap' AS what,
    gap.symbol,
    gap.timeframe
FROM moved
INNER JOIN data_gap AS gap
    ON
        moved.symbol = gap.symbol
        AND moved.starts_at < gap.gap_end
        AND moved.ends_at > gap.gap_start
WHERE gap.resolved_at IS NULL AND gap.cause <> 'pruned'
ORDER BY starts_at, ends_at, what, symbol, timeframe;
