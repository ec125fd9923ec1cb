-- A partition that is closed can be written anew in the order of its symbols: what came day by day lies on three times the pages.
-- What an operator notices: the monthly consolidation rewrites closed partitions of 1h and longer, a year in January; while it copies, that
-- year cannot be written, and reads wait a moment at the end. It needs the space of the copy, once.

CREATE FUNCTION order_market_data_partition(wanted text, starts timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
DECLARE
    parent text := 'market_data_' || wanted;
    partition text := hold_market_data_partition(wanted, starts); -- readers go on, writers of this partition wait
    ordered text := 'ordered_' || partition;
    ends timestamptz := starts + CASE WHEN timeframe_step(wanted) >= interval '1 hour' THEN interval '1 year' ELSE interval '1 month' END;
    candles bigint;
    is_locked boolean := FALSE;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', ordered, parent);
    EXECUTE format('INSERT INTO %I SELECT * FROM %I ORDER BY symbol, timestamp', ordered, partition);
    GET DIAGNOSTICS candles = ROW_COUNT;
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (symbol, timeframe, timestamp)', ordered);
    -- what attaching would look up in every row while readers wait
    EXECUTE format(
        'ALTER TABLE %I ADD CONSTRAINT lies_in_its_partition CHECK (timeframe = %L AND timestamp >= %L AND timestamp < %L)',
        ordered, wanted, starts, ends
    );
    EXECUTE format('ANALYZE %I', ordered);
    -- parents before children, as every load takes them; gives way after half a second, and keeps the copy
    PERFORM set_config('lock_timeout', '500ms', TRUE);
    FOR tried IN 1..120 LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', parent);
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', partition);
            is_locked := TRUE;
            EXIT;
        EXCEPTION
            WHEN lock_not_available THEN PERFORM pg_sleep(1);
        END;
    END LOOP;
    IF NOT is_locked THEN
        RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('%s was in use for two minutes and stays as it is.', partition);
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, partition);
    EXECUTE format('DROP TABLE %I', partition);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', ordered, partition);
    EXECUTE format('ALTER INDEX %I RENAME TO %I', ordered || '_pkey', partition || '_pkey');
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, starts, ends);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT lies_in_its_partition', partition);
    RETURN candles;
END
$$;

COMMENT ON FUNCTION order_market_data_partition(text, timestamptz) IS
'Writes the partition that begins at starts anew, its candles in the order of symbol and time, and returns their number. One transaction: killed, it leaves everything as it was. Raises 55P03 where readers keep it for two minutes.';

REVOKE ALL ON FUNCTION order_market_data_partition(text, timestamptz) FROM public;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT EXECUTE ON FUNCTION order_market_data_partition(text, timestamptz) TO market_writer;
    END IF;
END
$$;
