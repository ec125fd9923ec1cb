-- A partition that is to be pruned is taken out of market_data first, in a moment, and held against its files afterwards.
-- What an operator notices: during a prune, and after one that was killed, a table named pruned_market_data_… holds candles that no read
-- sees; the next prune of that timeframe and year finishes it. drop_market_data_partition() is no longer used by the prune.

CREATE FUNCTION take_out_market_data_partition(wanted text, starts timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
DECLARE
    partition text := hold_market_data_partition(wanted, starts);
    ends timestamptz := starts + CASE WHEN timeframe_step(wanted) >= interval '1 hour' THEN interval '1 year' ELSE interval '1 month' END;
BEGIN
    IF EXISTS (
        SELECT FROM dataset_pin AS pin
        CROSS JOIN historical_data_range AS stored
        CROSS JOIN LATERAL (
            SELECT FROM market_data AS candle
            WHERE candle.symbol = stored.symbol AND candle.timeframe = wanted
                AND candle.timestamp >= greatest(starts, pin.range_start) AND candle.timestamp < least(ends, pin.range_end)
            LIMIT 1
        ) AS kept
        WHERE stored.timeframe = wanted AND pin.timeframe = wanted AND (pin.symbols IS NULL OR stored.symbol = ANY (pin.symbols))
    ) THEN
        RAISE EXCEPTION USING ERRCODE = '23001', MESSAGE = format('%s holds pinned candles and stays.', partition);
    END IF;
    -- parents before children, as every load takes them
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', 'market_data_' || wanted);
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', 'market_data_' || wanted, partition);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', partition, 'pruned_' || partition);
    RETURN 'pruned_' || partition;
END
$$;

COMMENT ON FUNCTION take_out_market_data_partition(text, timestamptz) IS
'Detaches the partition that begins at starts and returns its new name, pruned_…: its candles are stored, but no part of market_data. Raises 23001 where a candle in it is pinned. Set lock_timeout before it.';

CREATE FUNCTION taken_out_candles(partition text)
RETURNS TABLE (symbol text, month timestamptz, candles bigint, first_open timestamptz, last_open timestamptz, digest bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
BEGIN
    IF partition !~ '^pruned_market_data_[0-9]+[mhd]_[0-9_]+$' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s is no partition that was taken out.', partition);
    END IF;
    EXECUTE format('SELECT min(symbol) FROM %I', partition) INTO symbol;
    WHILE symbol IS NOT NULL LOOP
        RETURN QUERY EXECUTE format(
            $query$
            SELECT
                $1, date_trunc('month', timestamp), count(*), min(timestamp), max(timestamp),
                sha256(string_agg(
                    timestamptz_send(timestamp) || float8send(open) || float8send(high) || float8send(low) || float8send(close)
                    || float8send(volume) || float8send(quote_volume) || int8send(trades)
                    || float8send(taker_buy_volume) || float8send(taker_buy_quote_volume),
                    ''::bytea ORDER BY timestamp
                ))
            FROM %I WHERE symbol = $1 GROUP BY 2 ORDER BY 2
            $query$, partition
        ) USING symbol;
        EXECUTE format('SELECT min(symbol) FROM %I WHERE symbol > $1', partition) INTO symbol USING symbol;
    END LOOP;
END
$$;

COMMENT ON FUNCTION taken_out_candles(text) IS
'For each symbol and calendar month (UTC) of a partition that was taken out: number of candles, first and last open time, and their digest as candle_digest() makes it.';

CREATE FUNCTION taken_out_packed(partition text, wanted_symbol text) RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    packed bytea;
BEGIN
    IF partition !~ '^pruned_market_data_[0-9]+[mhd]_[0-9_]+$' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s is no partition that was taken out.', partition);
    END IF;
    EXECUTE format(
        $query$
        SELECT string_agg(
            timestamptz_send(timestamp) || float8send(open) || float8send(high) || float8send(low) || float8send(close)
            || float8send(volume) || float8send(quote_volume) || int8send(trades)
            || float8send(taker_buy_volume) || float8send(taker_buy_quote_volume),
            ''::bytea ORDER BY timestamp
        ) FROM %I WHERE symbol = $1
        $query$, partition
    ) INTO packed USING wanted_symbol;
    RETURN packed;
END
$$;

COMMENT ON FUNCTION taken_out_packed(text, text) IS
'The candles of a symbol in a partition that was taken out, as the bytes that candle_digest() hashes: 80 a candle, in order of time; null where it has none.';

CREATE FUNCTION drop_taken_out_partition(partition text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    IF partition !~ '^pruned_market_data_[0-9]+[mhd]_[0-9_]+$' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s is no partition that was taken out.', partition);
    END IF;
    EXECUTE format('DROP TABLE %I', partition);
END
$$;

COMMENT ON FUNCTION drop_taken_out_partition(text) IS
'Drops a partition that was taken out of market_data, with whatever is in it: the caller has held it against its files.';

REVOKE ALL ON FUNCTION take_out_market_data_partition(text, timestamptz) FROM public;
REVOKE ALL ON FUNCTION taken_out_candles(text) FROM public;
REVOKE ALL ON FUNCTION taken_out_packed(text, text) FROM public;
REVOKE ALL ON FUNCTION drop_taken_out_partition(text) FROM public;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT EXECUTE ON FUNCTION
            take_out_market_data_partition(text, timestamptz),
            taken_out_candles(text),
            taken_out_packed(text, text),
            drop_taken_out_partition(text)
        TO market_writer;
    END IF;
END
$$;
