-- severity: warn
-- A close that jumps away from its neighbours and comes back: up by 20 percent and down again, or down and up, with at most
-- a quarter of the jump left, and both modified z-scores 0.6745 (r - median) / MAD beyond 25, where median
-- and MAD (median absolute deviation) are those of the log returns of 250 candles before and after. The score is Iglewicz
-- and Hoaglin's (How to Detect and Handle Outliers, ASQC 1993), who take 3.5 for normal data; returns of coins have far
-- heavier tails, so 25 leaves single wrong prints.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), each_symbol, each_timeframe (text[], each once),
-- range_start, range_end. Tables: candle_day, market_data. Reads only.
-- Rows: symbol, timeframe, timestamp, detail.
WITH wide_days AS (
    -- below 1d, a spike and one of its neighbours share a day: only days with a wide range are read candle by candle
    SELECT
        symbol,
        timeframe,
        day
    FROM candle_day
    WHERE
        symbol = any(%(each_symbol)s::text[])
        AND timeframe = any(%(each_timeframe)s::text[])
        AND day > %(range_start)s::timestamptz - interval '1 day'
        AND day < %(range_end)s::timestamptz
        AND highest_close > 1.2 * lowest_close
),

stretches AS (
    SELECT
        symbol,
        timeframe,
        unnest(range_agg(tstzrange(day - interval '4 hours', day + interval '28 hours'))) AS span
    FROM wide_days
    GROUP BY symbol, timeframe
    UNION ALL
    SELECT DISTINCT
        symbol,
        timeframe,
        tstzrange(%(range_start)s::timestamptz - interval '24 hours', %(range_end)s::timestamptz + interval '24 hours')
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    WHERE timeframe = '1d'
),

neighbours AS (
    SELECT
        stretches.symbol,
        stretches.timeframe,
        candle.timestamp,
        candle.close,
        candle.close_before,
        candle.close_after
    FROM stretches
    CROSS JOIN LATERAL (
        SELECT
            stored.timestamp,
            stored.close,
            lag(stored.close) OVER (ORDER BY stored.timestamp) AS close_before,
            lead(stored.close) OVER (ORDER BY stored.timestamp) AS close_after
        FROM market_data AS stored
        WHERE
            stored.symbol = stretches.symbol
            AND stored.timeframe = stretches.timeframe
            AND stored.timeframe = any(%(each_timeframe)s::text[])
            AND stored.timestamp >= %(range_start)s::timestamptz - interval '24 hours'
            AND stored.timestamp < %(range_end)s::timestamptz + interval '24 hours'
            AND stored.timestamp >= lower(stretches.span)
            AND stored.timestamp < upper(stretches.span)
    ) AS candle
),

jumps AS (
    SELECT
        symbol,
        timeframe,
        timestamp,
        ln(close / close_before) AS jump,
        ln(close_after / close) AS return_jump
    FROM neighbours
    WHERE
        close > 0 AND close_before > 0 AND close_after > 0
        AND (
            (close > 1.2 * close_before AND close > 1.2 * close_after)
            OR (close_before > 1.2 * close AND close_after > 1.2 * close)
        )
        AND timestamp >= %(range_start)s::timestamptz
        AND timestamp < %(range_end)s::timestamptz
),

scored AS (
    SELECT
        jumps.symbol,
        jumps.timeframe,
        jumps.timestamp,
        jumps.jump,
        jumps.return_jump,
        0.6745 * least(abs(jumps.jump - around.median), abs(jumps.return_jump - around.median))
        / greatest(around.deviation, 1e-5) AS score
    FROM jumps
    CROSS JOIN
        LATERAL ( -- noqa: ST05
            SELECT array_agg(returns.step_return) FILTER (WHERE returns.step_return IS NOT NULL) AS step_returns
            FROM (
                SELECT ln(nearby.close / lag(nearby.close) OVER (ORDER BY nearby.timestamp)) AS step_return
                FROM market_data AS nearby
                WHERE
                    nearby.symbol = jumps.symbol
                    AND nearby.timeframe = jumps.timeframe
                    AND nearby.timeframe = any(%(each_timeframe)s::text[])
                    AND nearby.close > 0
                    AND nearby.timestamp >= jumps.timestamp - 250 * timeframe_step(jumps.timeframe)
                    AND nearby.timestamp <= jumps.timestamp + 250 * timeframe_step(jumps.timeframe)
            ) AS returns
        ) AS nearby
    CROSS JOIN
        LATERAL (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY middle.step_return) AS median
            FROM unnest(nearby.step_returns) AS middle (step_return)
        ) AS centre
    CROSS JOIN
        LATERAL (
            SELECT
                centre.median,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(spread.step_return - centre.median)) AS deviation
            FROM unnest(nearby.step_returns) AS spread (step_return)
        ) AS around
    WHERE abs(jumps.jump + jumps.return_jump) <= 0.25 * abs(jumps.jump)
)

SELECT
    symbol,
    timeframe,
    timestamp,
    'the close moves by ' || round((100 * (exp(jump) - 1))::numeric, 1) || ' percent and back by '
    || round((100 * (exp(return_jump) - 1))::numeric, 1) || ', ' || round(score::numeric) || ' robust deviations' AS detail
FROM scored
WHERE score > 25
ORDER BY symbol, timeframe, timestamp
