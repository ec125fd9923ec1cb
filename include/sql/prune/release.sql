-- Gives a claim of claim.sql back.
-- Binds: timeframe, year. Tables: none. A second run warns.
SELECT pg_advisory_unlock(hashtextextended('cold storage ' || %(timeframe)s::text || ' ' || %(year)s::integer, 0));
