-- When the universe was last held against the exchange; null where it never was.
-- Binds: none. Table: symbol_listing. Reads only.
SELECT max(synced_at) AS synced_at
FROM symbol_listing;
