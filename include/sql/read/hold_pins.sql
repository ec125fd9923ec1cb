-- Keeps prunes out until the transaction ends, and waits for one that is removing candles: it holds the same table in SHARE mode
-- (prune/hold_pins.sql). Takes no snapshot, so that what a repeatable-read transaction reads behind it is what the prune has left.
-- Binds: none. Table: dataset_pin. Safe to run again.
LOCK TABLE dataset_pin IN ROW EXCLUSIVE MODE;
