-- The rewrite of a closed partition gives way to a load that waits for it.
-- What an operator notices: make_symbol_order may say that a partition is being written to, and tries again some minutes later. Before, it
-- and such a load kept each other waiting, for two minutes at most, or PostgreSQL ended one of them as a deadlock.

CREATE OR REPLACE FUNCTION order_market_data_partition(wanted text, starts timestamptz) RETURNS bigint
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
    -- Parents before children, as every load takes them; gives way after half a second, and keeps the copy. Who waits for the partition
    -- has the parent, so that neither could go on: then the copy is given up. Who begins to wait later than this look is not yet looking
    -- for deadlocks (after one second) when the half second is over.
    PERFORM set_config('lock_timeout', '500ms', TRUE);
    FOR tried IN 1..120 LOOP
        IF EXISTS (
            SELECT FROM pg_locks AS lock
            WHERE lock.relation = partition::regclass AND NOT lock.granted
                AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        ) THEN
            RAISE EXCEPTION USING ERRCODE = '55P03', MESSAGE = format('%s is being written to and stays as it is.', partition);
        END IF;
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
'Writes the partition that begins at starts anew, its candles in the order of symbol and time, and returns their number. One transaction: killed, it leaves everything as it was. Raises 55P03 where a writer waits for it, or readers keep it for two minutes.';
