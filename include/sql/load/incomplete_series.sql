-- Which series still lack a candle that a load could bring, by counting: what is stored, and what is explained and not stored.
-- Entry i of the arrays is one window of one series, its end closed, with the number of candles it has room for.
-- Binds: symbols, timeframes, starts, ends, expected. Tables: market_data, data_gap. A second run is safe.
WITH wanted AS (
    SELECT *
    FROM
        unnest(
            %(symbols)s::text[], %(timeframes)s::text[],
            %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(expected)s::bigint[]
        ) AS windows (symbol, timeframe, starts_at, ends_at, expected)
),

counted AS (
    SELECT
        wanted.symbol,
        wanted.timeframe,
        wanted.expected,
        (
            SELECT count(*)
            FROM market_data AS candle
            WHERE
                candle.symbol = wanted.symbol AND candle.timeframe = wanted.timeframe
                AND candle.timestamp >= wanted.starts_at AND candle.timestamp < wanted.ends_at
        ) AS stored,
        -- a pruned gap may have candles that were inserted by hand since; no load leaves any there
        (
            SELECT
                coalesce(
                    sum(
                        extract(EPOCH FROM least(gap.gap_end, wanted.ends_at) - greatest(gap.gap_start, wanted.starts_at))
                        / extract(EPOCH FROM timeframe_step(wanted.timeframe))
                        - CASE gap.cause
                            WHEN 'pruned'
                                THEN (
                                    SELECT count(*)
                                    FROM market_data AS candle
                                    WHERE
                                        candle.symbol = wanted.symbol AND candle.timeframe = wanted.timeframe
                                        AND candle.timestamp >= greatest(gap.gap_start, wanted.starts_at)
                                        AND candle.timestamp < least(gap.gap_end, wanted.ends_at)
                                )
                            ELSE 0
                        END
                    ),
                    0
                )
            FROM data_gap AS gap
            WHERE
                gap.symbol = wanted.symbol AND gap.timeframe = wanted.timeframe
                AND gap.gap_start < wanted.ends_at AND gap.gap_end > wanted.starts_at
                AND gap.resolved_at IS NULL AND gap.cause IN ('exchange_outage', 'suspension', 'pruned')
        ) AS explained
    FROM wanted
)

SELECT DISTINCT
    symbol,
    timeframe
FROM counted
WHERE stored + explained < expected;
