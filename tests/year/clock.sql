-- The database's clock is the simulated one: `now()` and `clock_timestamp()` without a schema mean these, because the
-- database's search_path names `simulated` before `pg_catalog`. They run on with the real clock, `ahead` of it.
CREATE SCHEMA simulated;
CREATE TABLE simulated.clock (ahead interval NOT NULL);
INSERT INTO simulated.clock (ahead) VALUES ('0');
CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT pg_catalog.clock_timestamp() + ahead FROM simulated.clock $$;
CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE
AS $$ SELECT pg_catalog.now() + ahead FROM simulated.clock $$;
GRANT USAGE ON SCHEMA simulated TO market_writer;
GRANT SELECT, UPDATE ON simulated.clock TO market_writer;
