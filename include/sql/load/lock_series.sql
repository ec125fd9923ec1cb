-- Lets one writer at a time into a series, until its transaction ends: two runs over one window take turns.
-- Binds: symbol, timeframe. A second run is safe.
SELECT pg_advisory_xact_lock(hashtextextended('market_data ' || %(symbol)s::text || ' ' || %(timeframe)s::text, 0));
