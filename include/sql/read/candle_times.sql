-- The open times of a range of candles, to see what is missing.
-- One row a column: its name, and its values in order of time as big-endian 8-byte numbers (timestamp: microseconds since 2000-01-01 UTC).
-- The times come first. Packing on the server saves a row of protocol and a Python object for each candle.
-- Binds: symbol, timeframe, starts, ends. Reads market_data. Safe to run again.
WITH candle AS (
    SELECT timestamp
    FROM market_data
    WHERE
        symbol = %(symbol)s::text
        AND timeframe = %(timeframe)s::text
        AND timestamp >= %(starts)s::timestamptz
        AND timestamp < %(ends)s::timestamptz
    ORDER BY timestamp
),

packed AS (
    SELECT string_agg(timestamptz_send(candle.timestamp), ''::bytea) AS timestamp
    FROM candle
)

SELECT
    piece.name,
    piece.bytes
FROM packed
CROSS JOIN LATERAL (
    VALUES
    ('timestamp', packed.timestamp)
) AS piece (name, bytes);
