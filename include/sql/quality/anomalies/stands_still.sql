-- severity: warn
-- Runs of at least six hours and three candles without a trade, volume 0 and high = low, outside known outages: what
-- fillers invent, or a pair nobody trades. Single ones are legal: the archive has 2020-12-21 14:00.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), each_symbol, each_timeframe (text[], each once),
-- range_start, range_end. Tables: candle_day, market_data, exchange_outage. Reads only.
-- Rows: symbol, timeframe, timestamp (of the first candle), detail.
WITH places AS (
    -- below 1d, only days with a flat candle are read
    SELECT
        symbol,
        timeframe,
        greatest(day, %(range_start)s::timestamptz) AS starts_at,
        least(day + interval '1 day', %(range_end)s::timestamptz) AS ends_at
    FROM candle_day
    WHERE
        symbol = any(%(each_symbol)s::text[])
        AND timeframe = any(%(each_timeframe)s::text[])
        AND day > %(range_start)s::timestamptz - interval '1 day'
        AND day < %(range_end)s::timestamptz
        AND standing > 0
    UNION ALL
    SELECT DISTINCT
        symbol,
        timeframe,
        %(range_start)s::timestamptz,
        %(range_end)s::timestamptz
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
    WHERE timeframe = '1d'
),

flat AS (
    SELECT
        places.symbol,
        places.timeframe,
        candle.timestamp,
        candle.close,
        steps.step,
        candle.timestamp - steps.step * row_number() OVER (
            PARTITION BY places.symbol, places.timeframe, candle.close ORDER BY candle.timestamp
        ) AS run
    FROM places
    CROSS JOIN LATERAL timeframe_step(places.timeframe) AS steps (step)
    CROSS JOIN
        LATERAL (
            SELECT
                stored.timestamp,
                stored.close
            FROM market_data AS stored
            WHERE
                stored.symbol = places.symbol
                AND stored.timeframe = places.timeframe
                AND stored.timeframe = any(%(each_timeframe)s::text[])
                AND stored.timestamp >= places.starts_at
                AND stored.timestamp < places.ends_at
                AND stored.timestamp >= %(range_start)s::timestamptz
                AND stored.timestamp < %(range_end)s::timestamptz
                AND stored.volume = 0
                AND stored.high = stored.low
        ) AS candle
    WHERE
        NOT EXISTS (
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
