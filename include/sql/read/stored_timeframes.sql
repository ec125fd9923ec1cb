-- The timeframes of which a symbol has candles; none for a symbol that was never loaded.
-- Binds: symbol. Reads market_data. Safe to run again.
SELECT wanted.timeframe
FROM (VALUES ('1m'), ('5m'), ('15m'), ('1h'), ('4h'), ('1d')) AS wanted (timeframe)
WHERE EXISTS (
    SELECT FROM market_data AS candle
    WHERE candle.symbol = %(symbol)s::text AND candle.timeframe = wanted.timeframe
);
