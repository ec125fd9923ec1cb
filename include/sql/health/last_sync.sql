-- Stored series of pairs that still trade and were last synced before `synced_before`, the longest ago first.
-- Binds: synced_before, timeframes (text[]). Tables: historical_data_range, symbol_listing. Reads only.
SELECT
    stored.symbol,
    stored.timeframe,
    stored.last_synced,
    stored.latest_date
FROM historical_data_range AS stored
INNER JOIN LATERAL (
    SELECT
        listing.delisted_at,
        listing.excluded_by
    FROM symbol_listing AS listing
    WHERE listing.symbol = stored.symbol
    ORDER BY listing.listing_number DESC
    LIMIT 1
) AS listing ON listing.delisted_at IS NULL AND listing.excluded_by IS NULL
WHERE stored.timeframe = any(%(timeframes)s::text[]) AND stored.last_synced < %(synced_before)s::timestamptz
ORDER BY stored.last_synced, stored.symbol, stored.timeframe;
