-- Reads the candles of the days that [range_start, range_end) touches and keeps in candle_day what they come to.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), range_start, range_end, clock.
-- Tables: candle_day (written), market_data. A second run changes nothing.
WITH series AS (
    SELECT DISTINCT
        symbol,
        timeframe
    FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS pairs (symbol, timeframe)
)

INSERT INTO candle_day AS known (
    symbol, timeframe, day, candles, open, high, low, close, highest_close, lowest_close, volume, trades, standing
)
SELECT
    found.symbol,
    found.timeframe,
    found.day,
    found.candles,
    found.open,
    found.high,
    found.low,
    found.close,
    found.highest_close,
    found.lowest_close,
    found.volume,
    found.trades,
    found.standing
FROM
    candle_days(
        %(symbols)s::text[],
        %(timeframes)s::text[],
        date_bin('1 day', %(range_start)s::timestamptz, '1970-01-01 00:00+00'),
        date_bin(
            '1 day',
            least(%(range_end)s::timestamptz, %(clock)s::timestamptz) + interval '1 day' - interval '1 microsecond',
            '1970-01-01 00:00+00'
        )
    ) AS found
INNER JOIN series ON found.symbol = series.symbol AND found.timeframe = series.timeframe
ORDER BY found.symbol, found.timeframe, found.day
ON CONFLICT (symbol, timeframe, day) DO UPDATE SET
    candles = excluded.candles,
    open = excluded.open,
    high = excluded.high,
    low = excluded.low,
    close = excluded.close,
    highest_close = excluded.highest_close,
    lowest_close = excluded.lowest_close,
    volume = excluded.volume,
    trades = excluded.trades,
    standing = excluded.standing
WHERE
(
    known.candles, known.open, known.high, known.low, known.close, known.highest_close, known.lowest_close, known.volume,
    known.trades, known.standing
) IS DISTINCT FROM (
    excluded.candles, excluded.open, excluded.high, excluded.low, excluded.close, excluded.highest_close, excluded.lowest_close,
    excluded.volume, excluded.trades, excluded.standing
)
