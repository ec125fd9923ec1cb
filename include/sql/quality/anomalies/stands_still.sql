-- severity: warn
-- Runs of at least six hours and three candles without a trade, volume 0 and high = low, outside known outages: what
-- fillers invent, or a pair nobody trades. Single ones are legal: the archive has 2020-12-21 14:00.
-- Binds: symbols, timeframes (text[]), range_start, range_end. Tables: market_data, exchange_outage. Reads only.
-- Rows: symbol, timeframe, timestamp (of the first candle), detail.
WITH flat AS (
    SELECT
        candle.symbol,
        candle.timeframe,
        candle.timestamp,
        candle.close,
        steps.step,
        candle.timestamp - steps.step * row_number() OVER (
            PARTITION BY candle.symbol, candle.timeframe, candle.close ORDER BY candle.timestamp
        ) AS run
    FROM market_data AS candle
    CROSS JOIN LATERAL timeframe_step(candle.timeframe) AS steps (step)
    WHERE
        candle.volume = 0
        AND candle.high = candle.low
        AND candle.symbol = any(%(symbols)s::text[])
        AND candle.timeframe = any(%(timeframes)s::text[])
        AND candle.timestamp >= %(range_start)s::timestamptz
        AND candle.timestamp < %(range_end)s::timestamptz
        AND NOT EXISTS (
            SELECT FROM exchange_outage AS outage
            WHERE outage.starts_at < candle.timestamp + steps.step AND outage.ends_at > candle.timestamp
        )
)

SELECT
    symbol,
    timeframe,
    min(timestamp) AS timestamp,
    count(*) || ' flat candles without volume in a row, at ' || close AS detail
FROM flat
GROUP BY symbol, timeframe, step, close, run
HAVING count(*) >= greatest(3, extract(EPOCH FROM interval '6 hours') / extract(EPOCH FROM step))
ORDER BY symbol, timeframe, min(timestamp)
