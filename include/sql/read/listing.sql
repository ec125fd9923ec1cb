-- The assets that traded under a symbol, with the instant and the exchange of the read; one row of nulls where there is none.
-- Binds: symbol. Reads symbol_listing, database_identity. Safe to run again.
SELECT
    now() AS read_at,
    (SELECT identity.exchange FROM database_identity AS identity) AS exchange,
    listing.listing_number,
    listing.base_asset,
    listing.exchange_symbol,
    listing.listed_at,
    listing.delisted_at,
    listing.successor,
    listing.successor_ratio
FROM (VALUES (%(symbol)s::text)) AS wanted (symbol)
LEFT JOIN symbol_listing AS listing ON wanted.symbol = listing.symbol
ORDER BY listing.listing_number;
