-- The database's clock is the simulated one: `now()` and `clock_timestamp()` without a schema mean these, because the
-- database's search_path names `simulated` before `pg_catalog`. It stands still until it is moved.
CREATE SCHEMA simulated;
CREATE TABLE simulated.clock (moment timestamptz NOT NULL);
INSERT INTO simulated.clock (moment) VALUES (pg_catalog.now());
CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT moment FROM simulated.clock $$;
CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE
AS $$ SELECT moment FROM simulated.clock $$;
GRANT USAGE ON SCHEMA simulated TO market_writer;
GRANT SELECT, UPDATE ON simulated.clock TO market_writer;
