-- What became of windows that were asked for: the candles that are still missing in each, without an explanation and with one.
-- Binds: symbols, timeframes (text[]), starts, ends (timestamptz[]); entry i of all is one window. Table: data_gap. Reads only.
WITH asked AS (
    SELECT
        symbol,
        timeframe,
        starts_at,
        ends_at,
        position
    FROM
        unnest(%(symbols)s::text[], %(timeframes)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        WITH ORDINALITY AS wanted (symbol, timeframe, starts_at, ends_at, position)
),

missing AS (
    SELECT
        asked.position,
        gap.cause IN ('open', 'not_published') AS is_open,
        extract(EPOCH FROM least(gap.gap_end, asked.ends_at) - greatest(gap.gap_start, asked.starts_at))
        / extract(EPOCH FROM timeframe_step(asked.timeframe)) AS candles
    FROM asked
    LEFT JOIN data_gap AS gap
        ON
            asked.symbol = gap.symbol
            AND asked.timeframe = gap.timeframe
            AND gap.resolved_at IS NULL
            AND asked.starts_at < gap.gap_end
            AND asked.ends_at > gap.gap_start
)

SELECT
    position,
    coalesce(sum(candles) FILTER (WHERE is_open), 0)::bigint AS still_open,
    coalesce(sum(candles) FILTER (WHERE NOT is_open), 0)::bigint AS explained
FROM missing
GROUP BY position
ORDER BY position;
