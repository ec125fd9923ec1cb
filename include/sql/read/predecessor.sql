-- The asset that a symbol replaced.
-- Binds: symbol. Reads symbol_listing. Safe to run again.
SELECT listing.symbol
FROM symbol_listing AS listing
WHERE listing.successor = %(symbol)s::text
ORDER BY listing.delisted_at DESC NULLS LAST, listing.symbol ASC
LIMIT 1;
