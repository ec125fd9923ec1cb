-- What the monthly prune needs of the database: which spans of a series are pinned, and partitions that can go.
-- What an operator notices: three functions; market_writer may detach and drop partitions of market_data that hold nothing pinned.

CREATE FUNCTION pinned_span(symbol text, timeframe text) RETURNS tstzmultirange
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN (
        SELECT coalesce(range_agg(tstzrange(pin.range_start, pin.range_end)), '{}')
        FROM dataset_pin AS pin
        WHERE (pin.symbols IS NULL OR pinned_span.symbol = ANY (pin.symbols))
            AND (
                pin.timeframe = pinned_span.timeframe
                -- a dataset of a timeframe that is not stored is read from a shorter one: those that divide it stay
                OR (
                    mod(extract(EPOCH FROM candle_step(pin.timeframe)), extract(EPOCH FROM timeframe_step(pinned_span.timeframe))) = 0
                    AND CASE
                        WHEN timeframe_step(pin.timeframe) IS NULL THEN TRUE
                        WHEN pin.symbols IS NULL THEN FALSE -- a promise about its own timeframe
                        ELSE NOT EXISTS (
                            SELECT FROM historical_data_range AS stored
                            WHERE stored.symbol = pinned_span.symbol AND stored.timeframe = pin.timeframe
                        )
                    END
                )
            )
    );
END
$$;

COMMENT ON FUNCTION pinned_span(text, text) IS
'The spans of a series that pins keep from the prune: pins of its own timeframe, and those of a longer one that is not stored and so is made of it.';

CREATE FUNCTION hold_market_data_partition(wanted text, starts timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
DECLARE
    suffix text := CASE WHEN timeframe_step(wanted) >= interval '1 hour' THEN 'YYYY' ELSE 'YYYY_MM' END;
    partition text := format('market_data_%s_%s', wanted, to_char(starts, suffix));
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_inherits
        WHERE inhrelid = to_regclass(quote_ident(partition)) AND inhparent = to_regclass(quote_ident('market_data_' || wanted))
    ) THEN
        RAISE EXCEPTION USING ERRCODE = '42P01', MESSAGE = format('market_data has no partition %s.', partition);
    END IF;
    EXECUTE format('LOCK TABLE %I IN SHARE MODE', partition);
    RETURN partition;
END
$$;

COMMENT ON FUNCTION hold_market_data_partition(text, timestamptz) IS
'Keeps writers, not readers, out of the partition that begins at starts until the transaction ends, and returns its name. Raises 42P01 where there is none.';

CREATE FUNCTION drop_market_data_partition(wanted text, starts timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
DECLARE
    partition text := hold_market_data_partition(wanted, starts);
    ends timestamptz := starts + CASE WHEN timeframe_step(wanted) >= interval '1 hour' THEN interval '1 year' ELSE interval '1 month' END;
BEGIN
    IF EXISTS (
        SELECT FROM market_data AS candle
        CROSS JOIN dataset_pin AS pin
        WHERE candle.timeframe = wanted AND candle.timestamp >= starts AND candle.timestamp < ends
            AND pin.timeframe = wanted AND (pin.symbols IS NULL OR candle.symbol = ANY (pin.symbols))
            AND candle.timestamp >= pin.range_start AND candle.timestamp < pin.range_end
    ) THEN
        RAISE EXCEPTION USING ERRCODE = '23001', MESSAGE = format('%s holds pinned candles and stays.', partition);
    END IF;
    -- parents before children, as every load takes them
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', 'market_data_' || wanted);
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', 'market_data_' || wanted, partition);
    EXECUTE format('DROP TABLE %I', partition);
    RETURN partition;
END
$$;

COMMENT ON FUNCTION drop_market_data_partition(text, timestamptz) IS
'Detaches and drops the partition that begins at starts, with whatever is in it, and returns its name: the caller has saved it. Raises 23001 where a candle in it is pinned. Set lock_timeout before it.';

REVOKE ALL ON FUNCTION pinned_span(text, text) FROM public;
REVOKE ALL ON FUNCTION hold_market_data_partition(text, timestamptz) FROM public;
REVOKE ALL ON FUNCTION drop_market_data_partition(text, timestamptz) FROM public;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT EXECUTE ON FUNCTION
            pinned_span(text, text),
            hold_market_data_partition(text, timestamptz),
            drop_market_data_partition(text, timestamptz)
        TO market_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'backtester') THEN
        GRANT EXECUTE ON FUNCTION pinned_span(text, text) TO backtester;
    END IF;
END
$$;
