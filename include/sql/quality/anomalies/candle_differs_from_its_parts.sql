-- severity: fail
-- Days whose 1d candle is not what its 4h, 1h or 15m candles say: open of the first, high, low, close of the last, sums.
-- On 20,859 real pair-days they agree exactly; sums may differ by the rounding of double precision. Only complete days.
-- Binds: symbols, timeframes (text[]), range_start, range_end. Tables: candle_day, market_data. Reads only.
-- Rows: symbol, timeframe (of the parts), timestamp (the day), detail.
WITH parts AS (
    SELECT
        known.symbol,
        known.timeframe,
        known.day,
        known.open,
        known.high,
        known.low,
        known.close,
        known.volume,
        known.trades
    FROM candle_day AS known
    INNER JOIN (VALUES ('4h', 6), ('1h', 24), ('15m', 96)) AS shape (timeframe, candles)
        ON known.timeframe = shape.timeframe AND known.candles = shape.candles
    WHERE
        known.symbol = any(%(symbols)s::text[])
        AND known.timeframe = any(%(timeframes)s::text[])
        AND known.day >= %(range_start)s::timestamptz
        AND known.day <= %(range_end)s::timestamptz - interval '1 day'
),

compared AS (
    SELECT
        parts.symbol,
        parts.timeframe,
        parts.day,
        concat_ws(
            ', ',
            CASE WHEN whole.open <> parts.open THEN 'open ' || whole.open || ' instead of ' || parts.open END,
            CASE WHEN whole.high <> parts.high THEN 'high ' || whole.high || ' instead of ' || parts.high END,
            CASE WHEN whole.low <> parts.low THEN 'low ' || whole.low || ' instead of ' || parts.low END,
            CASE WHEN whole.close <> parts.close THEN 'close ' || whole.close || ' instead of ' || parts.close END,
            CASE
                WHEN abs(whole.volume - parts.volume) > 1e-9 * whole.volume + 1e-6
                    THEN 'volume ' || whole.volume || ' instead of ' || parts.volume
            END,
            CASE WHEN whole.trades <> parts.trades THEN 'trades ' || whole.trades || ' instead of ' || parts.trades END
        ) AS difference
    FROM parts
    INNER JOIN market_data AS whole
        ON
            parts.symbol = whole.symbol
            AND whole.timeframe = '1d'
            AND parts.day = whole.timestamp
            AND whole.timestamp >= %(range_start)s::timestamptz
            AND whole.timestamp < %(range_end)s::timestamptz
)

SELECT
    symbol,
    timeframe,
    day AS timestamp,
    'the 1d candle has ' || difference || ', as its ' || timeframe || ' candles say' AS detail
FROM compared
WHERE difference <> ''
ORDER BY symbol, timeframe, day
