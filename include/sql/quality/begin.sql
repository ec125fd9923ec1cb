-- Opens a measurement inside a transaction: one at a time, in memory, and without compiling what runs once.
-- Binds: none. Tables: none. A second run is safe.
SELECT
    pg_advisory_xact_lock(hashtext('klines quality')),
    set_config('timezone', 'UTC', TRUE),
    set_config('jit', 'off', TRUE),
    set_config('work_mem', '128MB', TRUE)
