-- The candles of a series in [range_start, range_end) as the bytes that candle_digest() hashes: 80 a candle, in order of time.
-- Binds: symbol, timeframe, range_start, range_end. Table: market_data. Reads only.
SELECT
    string_agg(
        timestamptz_send(timestamp) || float8send(open) || float8send(high) || float8send(low) || float8send(close)
        || float8send(volume) || float8send(quote_volume) || int8send(trades)
        || float8send(taker_buy_volume) || float8send(taker_buy_quote_volume),
        ''::bytea ORDER BY timestamp
    ) AS packed
FROM market_data
WHERE
    symbol = %(symbol)s::text
    AND timeframe = %(timeframe)s::text
    AND timestamp >= %(range_start)s::timestamptz
    AND timestamp < %(range_end)s::timestamptz;
