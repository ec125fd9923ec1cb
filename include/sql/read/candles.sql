-- The five usual columns of a range of candles.
-- One row a column: its name, and its values in order of time as big-endian 8-byte numbers (timestamp: microseconds since 2000-01-01 UTC).
-- The times come first. Packing on the server saves a row of protocol and a Python object for each candle.
-- Binds: symbol, timeframe, starts, ends. Reads market_data. Safe to run again.
WITH candle AS (
    SELECT
        timestamp,
        open,
        high,
        low,
        close,
        volume
    FROM market_data
    WHERE
        symbol = %(symbol)s::text
        AND timeframe = %(timeframe)s::text
        AND timestamp >= %(starts)s::timestamptz
        AND timestamp < %(ends)s::timestamptz
    ORDER BY timestamp
),

packed AS (
    SELECT
        string_agg(timestamptz_send(candle.timestamp), ''::bytea) AS timestamp,
        string_agg(float8send(candle.open), ''::bytea) AS open,
        string_agg(float8send(candle.high), ''::bytea) AS high,
        string_agg(float8send(candle.low), ''::bytea) AS low,
        string_agg(float8send(candle.close), ''::bytea) AS close,
        string_agg(float8send(candle.volume), ''::bytea) AS volume
    FROM candle
)

SELECT
    piece.name,
    piece.bytes
FROM packed
CROSS JOIN LATERAL (
    VALUES
    ('timestamp', packed.timestamp),
    ('open', packed.open),
    ('high', packed.high),
    ('low', packed.low),
    ('close', packed.close),
    ('volume', packed.volume)
) AS piece (name, bytes);
