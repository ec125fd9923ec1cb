-- Which series have other candles in the days that [range_start, range_end) touches than candle_day knows of. An update or a deletion
-- forgets its day, and a load its days; a candle inserted past all of them shows in the number.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), each_timeframe (text[], each once), range_start, range_end, clock.
-- Tables: candle_day, market_data. Reads only. Rows: symbol, timeframe; a series of which nothing is kept is one of them.
WITH span AS (
    SELECT
        date_bin('1 day', %(range_start)s::timestamptz, '1970-01-01 00:00+00') AS first_day,
        date_bin(
            '1 day',
            least(%(range_end)s::timestamptz, %(clock)s::timestamptz) + interval '1 day' - interval '1 microsecond',
            '1970-01-01 00:00+00'
        ) AS last_day
)

SELECT
    series.symbol,
    series.timeframe
FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
CROSS JOIN span
CROSS JOIN
    LATERAL (
        SELECT coalesce(sum(known.candles), 0) AS candles
        FROM candle_day AS known
        WHERE
            known.symbol = series.symbol
            AND known.timeframe = series.timeframe
            AND known.day >= span.first_day
            AND known.day < span.last_day
    ) AS kept
-- a series after the other along its key: grouped, all of them were sorted where the planner expected few
CROSS JOIN
    LATERAL (
        SELECT count(*) AS candles
        FROM market_data AS candle
        WHERE
            kept.candles > 0  -- nothing is kept before the first measurement: then there is nothing to count either
            AND candle.symbol = series.symbol
            AND candle.timeframe = series.timeframe
            AND candle.timeframe = any(%(each_timeframe)s::text[])
            AND candle.timestamp >= span.first_day
            AND candle.timestamp < span.last_day
    ) AS stored
WHERE series.timeframe <> '1d' AND (kept.candles = 0 OR kept.candles <> stored.candles)
