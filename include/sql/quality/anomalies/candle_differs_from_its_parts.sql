-- severity: fail
-- Days whose 1d candle is not what its 4h, 1h or 15m candles say: open of the first, high, low, close of the last, sums.
-- On 20,859 real pair-days they agree exactly; sums may differ by the rounding of double precision. Only complete days.
-- Binds: symbols, timeframes (text[]), range_start, range_end. Table: market_data. Reads only.
-- Rows: symbol, timeframe (of the parts), timestamp (the day), detail.
WITH parts AS (
    SELECT
        symbol,
        timeframe,
        day,
        max(open) FILTER (WHERE timestamp = day) AS open,
        max(high) AS high,
        min(low) AS low,
        max(close) FILTER (WHERE timestamp = day + last_open) AS close,
        sum(volume) AS volume,
        sum(trades) AS trades
    FROM (
        SELECT
            candle.symbol,
            candle.timeframe,
            candle.timestamp,
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.volume,
            candle.trades,
            shape.last_open,
            shape.candles,
            date_bin('24 hours', candle.timestamp, '1970-01-01 00:00+00') AS day
        FROM market_data AS candle
        INNER JOIN (
            VALUES ('4h', interval '20 hours', 6), ('1h', interval '23 hours', 24), ('15m', interval '23 hours 45 minutes', 96)
        ) AS shape (timeframe, last_open, candles) ON candle.timeframe = shape.timeframe
        WHERE
            candle.symbol = any(%(symbols)s::text[])
            AND candle.timeframe = any(%(timeframes)s::text[])
            AND candle.timeframe IN ('4h', '1h', '15m')
            AND candle.timestamp >= %(range_start)s::timestamptz
            AND candle.timestamp < %(range_end)s::timestamptz
        -- else as many groups as candles are expected, and five million rows are sorted instead of hashed
        OFFSET 0 -- noqa: AM09
    ) AS part
    GROUP BY symbol, timeframe, day, candles
    HAVING count(*) = candles
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
