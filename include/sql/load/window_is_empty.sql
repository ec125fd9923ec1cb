-- Whether a series has no candle in [window_start, window_end).
-- Binds: symbol, timeframe, window_start, window_end. Table: market_data. A second run is safe.
SELECT NOT EXISTS (
    SELECT FROM market_data
    WHERE
        symbol = %(symbol)s::text AND timeframe = %(timeframe)s::text
        AND timestamp >= %(window_start)s::timestamptz AND timestamp < %(window_end)s::timestamptz
);
