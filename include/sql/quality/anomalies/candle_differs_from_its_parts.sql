-- severity: fail
-- Days whose 1d candle is not what its 4h, 1h or 15m candles say: open of the first, high, low, close of the last, sums.
-- On 20,859 real pair-days they agree exactly; sums may differ by the rounding of double precision. Only complete days.
-- Binds: each_symbol, each_timeframe (text[], each once), range_start, range_end. Tables: candle_day, market_data. Reads only.
-- Rows: symbol, timeframe (of the parts), timestamp (the day), detail.
WITH parts AS (
    SELECT
        symbol,
        timeframe,
        day,
        open,
        high,
        low,
        close,
        volume,
        trades
    FROM candle_day
    WHERE
        symbol = any(%(each_symbol)s::text[])
        AND timeframe = any(%(each_timeframe)s::text[])
        AND day >= %(range_start)s::timestamptz
        AND day <= %(range_end)s::timestamptz - interval '1 day'
        AND candles = CASE timeframe WHEN '4h' THEN 6 WHEN '1h' THEN 24 WHEN '15m' THEN 96 END
),

wholes AS (
    SELECT
        symbol,
        timestamp,
        open,
        high,
        low,
        close,
        volume,
        trades
    FROM market_data
    WHERE
        symbol = any(%(each_symbol)s::text[])
        AND timeframe = '1d'
        AND timestamp >= %(range_start)s::timestamptz
        AND timestamp < %(range_end)s::timestamptz
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
    -- only to have both read once and hashed, whatever the planner expects of days it has no statistics of yet: what lacks the
    -- other side differs in nothing
    FULL JOIN wholes AS whole ON parts.symbol = whole.symbol AND parts.day = whole.timestamp
)

SELECT
    symbol,
    timeframe,
    day AS timestamp,
    'the 1d candle has ' || difference || ', as its ' || timeframe || ' candles say' AS detail
FROM compared
WHERE difference <> ''
ORDER BY symbol, timeframe, day
