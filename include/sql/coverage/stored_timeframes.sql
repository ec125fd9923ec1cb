-- Totals by timeframe: series, candles, newest open time, and when the latest and the longest waiting series were synced.
-- Binds: none. Tables: historical_data_range, symbol_listing. Reads only, counts no candle.
WITH listing AS (
    SELECT
        symbol,
        bool_or(delisted_at IS NULL AND excluded_by IS NULL) AS is_trading
    FROM symbol_listing
    GROUP BY symbol
)

SELECT
    stored.timeframe,
    count(*) AS series,
    sum(stored.total_records)::bigint AS candles,
    max(stored.latest_date) AS newest_candle,
    max(stored.last_synced) AS last_synced,
    min(stored.last_synced) FILTER (WHERE listing.is_trading) AS longest_waiting
FROM historical_data_range AS stored
LEFT JOIN listing ON stored.symbol = listing.symbol
GROUP BY stored.timeframe
ORDER BY timeframe_step(stored.timeframe);
