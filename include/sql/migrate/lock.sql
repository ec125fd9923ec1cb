-- Lets one migrator in at a time, until its transaction ends. A second run is safe.
SELECT pg_advisory_xact_lock(hashtext('klines schema migrations'));
