-- Open holes that REST confirmed empty and for which the database has no second pair to compare with: nobody else's
-- candles say whether the exchange or the pair stood still. Oldest first.
-- Binds: timeframes (text[]), range_start, range_end, at_most. Tables: data_gap, exchange_outage, historical_data_range, market_data.
-- Reads only.
WITH holes AS (
    SELECT
        gap.timeframe,
        array_agg(DISTINCT gap.symbol ORDER BY gap.symbol) AS symbols,
        gap.gap_start,
        gap.gap_end
    FROM data_gap AS gap
    WHERE
        gap.timeframe = any(%(timeframes)s::text[])
        AND gap.resolved_at IS NULL
        AND gap.cause = 'open'
        AND gap.rest_empty_on <> '{}'
        AND gap.gap_start < %(range_end)s::timestamptz
        AND gap.gap_end > %(range_start)s::timestamptz
    GROUP BY gap.timeframe, gap.gap_start, gap.gap_end
)

SELECT
    holes.timeframe,
    holes.gap_start,
    holes.gap_end,
    holes.symbols
FROM holes
WHERE
    cardinality(holes.symbols) = 1
    AND NOT EXISTS (
        SELECT FROM exchange_outage AS outage
        WHERE
            outage.timeframe = holes.timeframe
            AND outage.starts_at <= holes.gap_start
            AND outage.ends_at >= holes.gap_end
    )
    -- the pair traded right before and right after: an end of the data is no outage
    AND EXISTS (
        SELECT FROM market_data AS candle
        WHERE
            candle.symbol = holes.symbols[1]
            AND candle.timeframe = holes.timeframe
            AND candle.timestamp = holes.gap_start - timeframe_step(holes.timeframe)
    )
    AND EXISTS (
        SELECT FROM market_data AS candle
        WHERE
            candle.symbol = holes.symbols[1]
            AND candle.timeframe = holes.timeframe
            AND candle.timestamp = holes.gap_end
    )
    -- another stored pair that traded inside settles it without a request
    AND NOT EXISTS (
        SELECT
        FROM historical_data_range AS stored
        CROSS JOIN
            LATERAL (
                SELECT
                FROM market_data AS candle
                WHERE
                    candle.symbol = stored.symbol
                    AND candle.timeframe = holes.timeframe
                    AND candle.timeframe = any(%(timeframes)s::text[])
                    AND candle.timestamp >= holes.gap_start
                    AND candle.timestamp < holes.gap_end
                -- any candle will do
                LIMIT 1 -- noqa: AM09
            ) AS candle_inside
        WHERE
            stored.timeframe = holes.timeframe
            AND stored.earliest_date < holes.gap_end
            AND stored.latest_date >= holes.gap_start
    )
ORDER BY holes.gap_start, holes.timeframe
LIMIT %(at_most)s::integer
