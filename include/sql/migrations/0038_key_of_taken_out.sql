-- A table that was taken out leaves the name of its key to the partition that a restore makes in its place.
-- What an operator notices: make_symbol_order no longer fails with DuplicateTable where a prune was killed and its year brought back.

CREATE OR REPLACE FUNCTION take_out_market_data_partition(wanted text, starts timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
DECLARE
    partition text := hold_market_data_partition(wanted, starts);
    key text := (SELECT conname FROM pg_constraint WHERE conrelid = partition::regclass AND contype = 'p');
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
    EXECUTE format('ALTER TABLE %I RENAME CONSTRAINT %I TO %I', 'pruned_' || partition, key, 'pruned_' || partition || '_pkey');
    RETURN 'pruned_' || partition;
END
$$;

CREATE OR REPLACE FUNCTION order_market_data_partition(wanted text, starts timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
DECLARE
    parent text := 'market_data_' || wanted;
    partition text := hold_market_data_partition(wanted, starts); -- readers go on, writers of this partition wait
    ordered text := 'ordered_' || partition;
    key text := (SELECT conname FROM pg_constraint WHERE conrelid = partition::regclass AND contype = 'p');
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
    EXECUTE format('ALTER TABLE %I RENAME CONSTRAINT %I TO %I', partition, ordered || '_pkey', key);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, partition, starts, ends);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT lies_in_its_partition', partition);
    RETURN candles;
END
$$;
