-- Removes the findings about candles that are gone.
-- Binds: symbols, timeframe, starts, ends (entry i of symbols, starts and ends is one removed span). Tables: data_anomaly, market_data.
-- A second run finds none.
DELETE FROM data_anomaly AS anomaly
USING unnest(%(symbols)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS removed (symbol, starts_at, ends_at)
WHERE
    anomaly.symbol = removed.symbol
    AND anomaly.timeframe = %(timeframe)s::text
    AND anomaly.timestamp >= removed.starts_at
    AND anomaly.timestamp < removed.ends_at
    AND NOT EXISTS (
        SELECT FROM market_data AS candle
        WHERE
            candle.symbol = anomaly.symbol
            AND candle.timeframe = anomaly.timeframe
            AND candle.timestamp = anomaly.timestamp
    );
