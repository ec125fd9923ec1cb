-- Lets one universe sync run at a time; a second one waits here, then finds everything known.
-- Binds: none. Held by the session until universe/unlock or its end, so that no transaction stays open meanwhile.
-- A second run is safe, but each needs its unlock.
SELECT pg_advisory_lock(hashtext('klines universe sync'));
