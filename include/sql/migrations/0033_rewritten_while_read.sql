-- A read that had its snapshot before a partition was put in order or taken out, and waited for that, is refused: it would see none of
-- the partition's candles.
-- What an operator notices: backtester may read the tables of the timeframes, market_data_1h and its kind, because the Python reader
-- locks the one it reads (ACCESS SHARE) before its snapshot; ohlcv() and its kind raise 40001 in that moment, and can be called again.

CREATE FUNCTION refuse_rewritten(timeframe text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    -- pg_inherits is seen through the snapshot, pg_partition_tree() as it is now
    IF EXISTS (
        SELECT seen.inhrelid FROM pg_inherits AS seen WHERE seen.inhparent = format('market_data_%s', timeframe)::regclass
        EXCEPT
        SELECT present.relid FROM pg_partition_tree(format('market_data_%s', timeframe)::regclass) AS present
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = '40001',
            MESSAGE = format('market_data_%s was rewritten while it was read.', timeframe),
            HINT = 'Read again, in a new transaction.';
    END IF;
END
$$;

COMMENT ON FUNCTION refuse_rewritten(text) IS
'Raises 40001 where a partition of the timeframe was replaced or taken out after the snapshot of this read. To be asked when the table of the timeframe is read or locked already: nothing is replaced from then on until the transaction ends.';

CREATE OR REPLACE FUNCTION base_timeframe(symbol text, timeframe text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stored text[];
    candidate text;
    longest text;
    near text;
BEGIN
    IF EXISTS (
        SELECT FROM market_data AS candle
        WHERE candle.symbol = base_timeframe.symbol AND candle.timeframe = base_timeframe.timeframe
    ) THEN
        PERFORM refuse_rewritten(base_timeframe.timeframe);
        RETURN base_timeframe.timeframe;
    END IF;
    IF candle_step(base_timeframe.timeframe) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'KL003', MESSAGE = format(
            'timeframe %L is not known: use one of 1m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 1w.', base_timeframe.timeframe
        );
    END IF;
    SELECT array_agg(wanted.timeframe) INTO stored
    FROM unnest(ARRAY['1d', '4h', '1h', '15m', '5m', '1m']) AS wanted (timeframe)
    WHERE EXISTS (SELECT FROM market_data AS candle WHERE candle.symbol = base_timeframe.symbol AND candle.timeframe = wanted.timeframe);
    FOR candidate IN
        SELECT known.timeframe
        FROM unnest(ARRAY['1d', '4h', '1h', '15m', '5m', '1m']) WITH ORDINALITY AS known (timeframe, place)
        WHERE extract(EPOCH FROM candle_step(base_timeframe.timeframe)) % extract(EPOCH FROM candle_step(known.timeframe)) = 0
        ORDER BY known.place
    LOOP
        PERFORM refuse_rewritten(candidate); -- also one that seems to have no candles
        IF candidate = ANY(stored) THEN
            RETURN candidate;
        END IF;
        longest := coalesce(longest, candidate);
    END LOOP;
    IF stored IS NULL AND NOT EXISTS (SELECT FROM symbol_listing AS listing WHERE listing.symbol = base_timeframe.symbol) THEN
        SELECT string_agg(known.symbol, ', ') INTO near
        FROM (
            SELECT known.symbol
            FROM (SELECT symbol FROM symbol_listing UNION SELECT symbol FROM historical_data_range) AS known
            WHERE upper(base_timeframe.symbol) LIKE known.symbol || '%' OR known.symbol LIKE upper(left(base_timeframe.symbol, 2)) || '%'
            ORDER BY upper(base_timeframe.symbol) IN (known.symbol, known.symbol || 'USDT', known.symbol || '/USDT') DESC, known.symbol
            LIMIT 3
        ) AS known;
        RAISE EXCEPTION USING
            ERRCODE = 'KL002',
            MESSAGE = format('symbol %L is not in this database.', base_timeframe.symbol),
            HINT = coalesce(format('Did you mean %s?', near), 'The view symbols lists what there is.');
    END IF;
    RETURN longest;
END
$$;

COMMENT ON FUNCTION base_timeframe(text, text) IS
'The stored timeframe that a timeframe of a symbol is read from: itself, or the longest stored one that divides it. Raises KL002, KL003, and 40001 where one of them was rewritten while it was read.';

REVOKE ALL ON FUNCTION refuse_rewritten(text) FROM public;

DO $$
DECLARE
    reader text;
BEGIN
    FOREACH reader IN ARRAY ARRAY['market_writer', 'backtester'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION refuse_rewritten(text) TO %I', reader);
            EXECUTE format(
                'GRANT SELECT ON market_data_1m, market_data_5m, market_data_15m, market_data_1h, market_data_4h, market_data_1d TO %I',
                reader
            );
        END IF;
    END LOOP;
END
$$;
