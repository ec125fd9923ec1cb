-- Claims the files of a timeframe and year for this session, for a prune or a restore. False where another session has them.
-- Binds: timeframe, year. Tables: none. A second run claims them twice.
SELECT pg_try_advisory_lock(hashtextextended('cold storage ' || %(timeframe)s::text || ' ' || %(year)s::integer, 0));
