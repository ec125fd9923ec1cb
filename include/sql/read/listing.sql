-- The assets that traded under some symbols, with the instant and the exchange of the read; a row of nulls for a symbol without any.
-- Binds: symbols. Reads symbol_listing, database_identity. Safe to run again.
SELECT
    wanted.symbol,
    now() AS read_at,
    (SELECT identity.exchange FROM database_identity AS identity) AS exchange,
    listing.listing_number,
    listing.base_asset,
    listing.exchange_symbol,
    listing.listed_at,
    listing.delisted_at,
    listing.successor,
    listing.successor_ratio::double precision AS successor_ratio
FROM unnest(%(symbols)s::text[]) AS wanted (symbol)
LEFT JOIN symbol_listing AS listing ON wanted.symbol = listing.symbol
ORDER BY wanted.symbol, listing.listing_number;
