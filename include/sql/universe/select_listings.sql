-- Every listing known, the assets of one ticker in order of time.
-- Binds: none. Reads symbol_listing. A second run is safe.
SELECT
    symbol,
    listing_number,
    exchange_symbol,
    base_asset,
    quote_asset,
    tier,
    status,
    excluded_by,
    listed_at,
    delisted_at,
    successor,
    successor_ratio,
    note,
    holes_checked_until
FROM symbol_listing
ORDER BY symbol, listing_number;
