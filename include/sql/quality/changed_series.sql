-- Which series have other candles in the days that [range_start, range_end) touches than candle_day knows of. An update or a deletion
-- forgets its day, and a load its days; a candle inserted past all of them shows in the number.
-- Binds: each_symbol, each_timeframe (text[], each once), range_start, range_end, clock. Tables: candle_day, market_data. Reads only.
-- Rows: symbol, timeframe; of every symbol with every timeframe below 1d.
WITH span AS MATERIALIZED (
    SELECT
        date_bin('1 day', %(range_start)s::timestamptz, '1970-01-01 00:00+00') AS first_day,
        date_bin(
            '1 day',
            least(%(range_end)s::timestamptz, %(clock)s::timestamptz) + interval '1 day' - interval '1 microsecond',
            '1970-01-01 00:00+00'
        ) AS last_day
),

kept AS (
    SELECT
        symbol,
        timeframe,
        sum(candles) AS candles
    FROM candle_day
    WHERE
        symbol = any(%(each_symbol)s::text[])
        AND timeframe = any(%(each_timeframe)s::text[])
        AND day >= (SELECT span.first_day FROM span)
        AND day < (SELECT span.last_day FROM span)
    GROUP BY symbol, timeframe
),

stored AS (
    SELECT
        symbol,
        timeframe,
        count(*) AS candles
    FROM market_data
    WHERE
        symbol = any(%(each_symbol)s::text[])
        AND timeframe = any(%(each_timeframe)s::text[])
        AND timeframe <> '1d'
        AND timestamp >= (SELECT span.first_day FROM span)
        AND timestamp < (SELECT span.last_day FROM span)
    GROUP BY symbol, timeframe
)

SELECT
    coalesce(kept.symbol, stored.symbol) AS symbol,
    coalesce(kept.timeframe, stored.timeframe) AS timeframe
FROM kept
FULL JOIN stored ON kept.symbol = stored.symbol AND kept.timeframe = stored.timeframe
WHERE kept.candles IS DISTINCT FROM stored.candles
