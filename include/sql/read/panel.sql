-- One column of many symbols, a row a symbol: open times and values as big-endian 8-byte numbers (times: microseconds since 2000-01-01 UTC).
-- Binds: symbols, timeframe, starts, ends, field. Reads market_data. Safe to run again.
WITH candle AS (
    SELECT
        symbol,
        timestamp,
        CASE %(field)s::text
            WHEN 'open' THEN open
            WHEN 'high' THEN high
            WHEN 'low' THEN low
            WHEN 'close' THEN close
            WHEN 'volume' THEN volume
            WHEN 'quote_volume' THEN quote_volume
            WHEN 'trades' THEN trades
            WHEN 'taker_buy_volume' THEN taker_buy_volume
            WHEN 'taker_buy_quote_volume' THEN taker_buy_quote_volume
        END AS value
    FROM market_data
    WHERE
        symbol = any(%(symbols)s::text[])
        AND timeframe = %(timeframe)s::text
        AND timestamp >= %(starts)s::timestamptz
        AND timestamp < %(ends)s::timestamptz
)

SELECT
    candle.symbol,
    string_agg(timestamptz_send(candle.timestamp), ''::bytea) AS times,
    string_agg(float8send(candle.value), ''::bytea) AS packed
FROM candle
GROUP BY candle.symbol;
