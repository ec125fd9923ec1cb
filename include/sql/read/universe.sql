-- The assets that were listed at an instant, delisted ones included; symbols whose listing is not discovered yet come with a null listed_at.
-- Binds: as_of, tier (null = core and extended). Reads symbol_listing. Safe to run again.
SELECT
    listing.symbol,
    listing.listing_number,
    listing.base_asset,
    listing.exchange_symbol,
    listing.tier,
    listing.listed_at,
    listing.delisted_at,
    listing.successor,
    listing.successor_ratio::double precision AS successor_ratio
FROM symbol_listing AS listing
WHERE
    coalesce(listing.tier = %(tier)s::text, listing.tier <> 'excluded')
    AND (listing.listed_at IS NULL OR listing.listed_at <= %(as_of)s::timestamptz)
    AND (listing.delisted_at IS NULL OR listing.delisted_at > %(as_of)s::timestamptz)
ORDER BY listing.symbol, listing.listing_number;
