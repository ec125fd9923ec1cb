-- Keeps loads out of some series until the transaction ends, and waits for those that are writing (load/lock_series.sql): what is kept
-- in candle_day is what was there. Measurements do not keep each other out by this.
-- Binds: symbols, timeframes (text[]; entry i of both names a series). Tables: none. A second run is safe.
SELECT count(pg_advisory_xact_lock_shared(hashtextextended('market_data ' || symbol || ' ' || timeframe, 0)))
FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
