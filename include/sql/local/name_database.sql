-- Gives an unnamed market database to one exchange; a named one keeps its name.
-- Binds: exchange (binance or simulated). Tables: database_identity. A second run changes nothing.
INSERT INTO database_identity (exchange)
VALUES (%(exchange)s::text)
ON CONFLICT (only_row) DO NOTHING
