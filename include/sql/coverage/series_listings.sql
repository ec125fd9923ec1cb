-- The listings of a symbol, in order of time.
-- Binds: symbol. Table: symbol_listing. Reads only.
SELECT
    exchange_symbol,
    base_asset,
    tier,
    status,
    listed_at,
    delisted_at,
    successor,
    note
FROM symbol_listing
WHERE symbol = %(symbol)s::text
ORDER BY listing_number;
