-- Lets no measurement run until the transaction ends: quality/begin.sql takes the same lock.
-- Binds: none. Tables: none. A second run is safe.
SELECT pg_advisory_xact_lock(hashtext('klines quality'));
