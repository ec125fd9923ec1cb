-- Every symbol that is listed or stored, to name the nearest ones to a misspelt one.
-- Reads symbol_listing, historical_data_range. Safe to run again.
SELECT symbol FROM symbol_listing
UNION
SELECT symbol FROM historical_data_range
ORDER BY symbol;
