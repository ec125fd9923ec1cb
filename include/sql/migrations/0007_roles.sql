-- Who may do what: market_writer loads, backtester reads.
-- What an operator notices: the two roles exist; on a server where this role may not create roles, a warning says to create them.

REVOKE CREATE ON SCHEMA public FROM public;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM public;

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['market_writer', 'backtester'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL; -- another database of this server was quicker
                WHEN insufficient_privilege THEN
                    RAISE WARNING 'role % is missing and % may not create it: ask the server''s owner for it, then run the grants of 0007_roles.sql', wanted, current_user;
            END;
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT USAGE ON SCHEMA public TO market_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO market_writer;
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO market_writer;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO market_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'backtester') THEN
        GRANT USAGE ON SCHEMA public TO backtester;
        GRANT SELECT ON
            market_data, historical_data_range, symbol_listing, exchange_outage, data_gap, data_quality, data_sync_log,
            market_data_revision, archive_file, rejected_candle, dataset_pin, sla_miss, database_identity
        TO backtester;
        GRANT EXECUTE ON FUNCTION timeframe_step(text) TO backtester;
    END IF;
END
$$;
