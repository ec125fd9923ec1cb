-- Lists, as statements to run, what market_writer and backtester lack of what the migrations give them: a role that was
-- made after a migration has nothing of it. A setting that somebody chose for backtester stays.
-- Binds: settings, values (the role settings of backtester). Reads only: a second run is safe.
WITH rights AS (
    SELECT
        unnest(ARRAY[
            'archive_file', 'candle_day', 'data_anomaly', 'data_gap', 'data_quality', 'data_sync_log', 'database_identity', 'dataset_pin',
            'exchange_outage', 'historical_data_range', 'market_data', 'market_data_15m', 'market_data_1d', 'market_data_1h',
            'market_data_1m', 'market_data_4h', 'market_data_5m', 'market_data_revision', 'rejected_candle', 'series_fingerprint',
            'sla_miss', 'symbol_listing'
        ]) AS name,
        'TABLE' AS kind,
        ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] AS of_writer,
        ARRAY['SELECT'] AS of_reader
    UNION ALL
    SELECT
        unnest(ARRAY['exchange_budget', 'schema_migration']) AS name,
        'TABLE' AS kind,
        ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] AS of_writer,
        ARRAY[]::text[] AS of_reader
    UNION ALL
    SELECT
        unnest(ARRAY[
            'coverage_30d', 'coverage_365d', 'coverage_90d', 'ohlcv_1d', 'ohlcv_1h', 'request_budget', 'symbols'
        ]) AS name,
        'TABLE' AS kind,
        ARRAY['SELECT'] AS of_writer,
        ARRAY['SELECT'] AS of_reader
    UNION ALL
    SELECT
        unnest(ARRAY['data_sync_log_id_seq', 'rejected_candle_id_seq', 'sla_miss_id_seq']) AS name,
        'SEQUENCE' AS kind,
        ARRAY['USAGE'] AS of_writer,
        ARRAY[]::text[] AS of_reader
    UNION ALL
    SELECT
        unnest(ARRAY[
            'base_timeframe', 'candle_ceil', 'candle_days', 'candle_digest', 'candle_floor', 'candle_step', 'candles_between',
            'check_policies', 'complete_candles', 'coverage', 'expected_pieces', 'iso_utc', 'listing_spans', 'missing_candles', 'ohlcv',
            'ohlcv_fingerprint', 'ohlcv_months', 'pinned_span', 'readable_range', 'refuse_missing', 'refuse_rewritten', 'shared_holes',
            'short_utc', 'stored_candles', 'timeframe_step', 'universe'
        ]) AS name,
        'FUNCTION' AS kind,
        ARRAY['EXECUTE'] AS of_writer,
        ARRAY['EXECUTE'] AS of_reader
    UNION ALL
    SELECT
        unnest(ARRAY[
            'acquire_exchange_weight', 'ban_exchange', 'drop_taken_out_partition', 'ensure_market_data_partitions',
            'exchange_weight_limit_is_fresh', 'exchange_weight_window', 'forget_fingerprint', 'hold_candles',
            'hold_market_data_partition', 'lock_exchange_budget', 'observe_exchange_weight',
            'order_market_data_partition', 'partition_to_fill', 'pause_exchange', 'refresh_fingerprints', 'set_exchange_weight_limit',
            'take_out_market_data_partition', 'taken_out_candles', 'taken_out_packed', 'touch_fingerprints'
        ]) AS name,
        'FUNCTION' AS kind,
        ARRAY['EXECUTE'] AS of_writer,
        ARRAY[]::text[] AS of_reader
),

roles AS (
    SELECT
        oid AS role,
        rolname::text AS name
    FROM pg_roles
    WHERE rolname IN ('market_writer', 'backtester')
),

wanted AS (
    SELECT
        roles.role,
        roles.name AS role_name,
        rights.kind,
        rights.name,
        unnest(CASE roles.name WHEN 'market_writer' THEN rights.of_writer ELSE rights.of_reader END) AS may
    FROM roles
    CROSS JOIN rights
),

things AS (
    SELECT
        wanted.role_name,
        wanted.may,
        wanted.kind || ' ' || relation.oid::regclass AS thing
    FROM wanted
    INNER JOIN pg_class AS relation ON wanted.name = relation.relname AND relation.relnamespace = 'public'::regnamespace
    WHERE
        CASE wanted.kind
            WHEN 'TABLE' THEN NOT has_table_privilege(wanted.role, relation.oid, wanted.may)
            WHEN 'SEQUENCE' THEN NOT has_sequence_privilege(wanted.role, relation.oid, wanted.may)
            ELSE FALSE
        END
    UNION ALL
    SELECT
        wanted.role_name,
        wanted.may,
        'FUNCTION ' || routine.oid::regprocedure AS thing
    FROM wanted
    INNER JOIN pg_proc AS routine ON wanted.name = routine.proname AND routine.pronamespace = 'public'::regnamespace
    WHERE wanted.kind = 'FUNCTION' AND NOT has_function_privilege(wanted.role, routine.oid, wanted.may)
    UNION ALL
    SELECT
        roles.name AS role_name,
        'USAGE' AS may,
        'SCHEMA public' AS thing
    FROM roles
    WHERE NOT has_schema_privilege(roles.role, 'public', 'USAGE')
    UNION ALL
    SELECT
        roles.name AS role_name,
        'TEMPORARY' AS may,
        'DATABASE ' || quote_ident(current_database()) AS thing
    FROM roles
    WHERE roles.name = 'market_writer' AND NOT has_database_privilege(roles.role, current_database(), 'TEMPORARY')
)

SELECT 'GRANT ' || may || ' ON ' || thing || ' TO ' || role_name AS statement
FROM things
UNION ALL
SELECT 'ALTER ROLE backtester SET ' || setting.name || ' = ' || quote_literal(setting.value) AS statement
FROM unnest(%(settings)s::text[], %(values)s::text[]) AS setting (name, value)
INNER JOIN roles ON roles.name = 'backtester'
WHERE
    NOT EXISTS (
        SELECT
        FROM pg_db_role_setting AS chosen
        CROSS JOIN unnest(chosen.setconfig) AS entry
        WHERE chosen.setrole = roles.role AND split_part(entry, '=', 1) = setting.name
    )
ORDER BY statement;
