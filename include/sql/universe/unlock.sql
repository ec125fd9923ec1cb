-- Ends what universe/lock began.
-- Binds: none. A second run only warns.
SELECT pg_advisory_unlock(hashtext('klines universe sync'));
