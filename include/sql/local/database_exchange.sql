-- The exchange whose candles this market database holds.
-- Binds: none. Tables: database_identity. Reads only.
SELECT exchange
FROM database_identity
