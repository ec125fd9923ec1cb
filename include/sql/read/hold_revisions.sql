-- Keeps loads from changing stored candles until the transaction ends, and waits for those that do: new candles in empty places may come.
-- Takes no snapshot, so that what a repeatable-read transaction reads behind it has every revision that was recorded before.
-- Binds: none. Table: market_data_revision. Safe to run again.
LOCK TABLE market_data_revision IN SHARE MODE;
