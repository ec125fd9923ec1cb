-- Lets this transaction wait half a second for a lock, and no longer: it gives way before PostgreSQL looks for deadlocks
-- (after one second), so that no load is ever the victim, and nobody queues longer behind it.
-- Binds: none. Tables: none. A second run is safe.
SELECT set_config('lock_timeout', '500ms', TRUE);
