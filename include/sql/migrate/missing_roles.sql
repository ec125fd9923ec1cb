-- Lists the roles of the project that the server does not have. Binds: none. Reads only: a second run is safe.
SELECT wanted
FROM unnest(ARRAY['market_writer', 'backtester']) AS wanted
WHERE wanted NOT IN (SELECT rolname FROM pg_roles)
ORDER BY wanted;
