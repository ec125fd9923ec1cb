-- Keeps loads from committing anything until the transaction ends, and waits for those that have changed or recorded something.
-- Takes no snapshot, so that what a repeatable-read transaction reads behind it has every revision and window that was recorded before.
-- Binds: none. Tables: market_data_revision, data_sync_log; in the order in which a load writes them. Safe to run again.
LOCK TABLE market_data_revision, data_sync_log IN SHARE MODE;
