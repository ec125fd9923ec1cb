-- Candles, and how far each series reaches.
-- What an operator notices: market_data is partitioned by timeframe, then by time (years for 1h and longer, months below);
-- partitions are made by ensure_market_data_partitions() when a load needs them.

CREATE TABLE database_identity (
    only_row boolean PRIMARY KEY DEFAULT TRUE,
    exchange text NOT NULL,
    named_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT there_is_one_row CHECK (only_row)
);

COMMENT ON TABLE database_identity IS
'Which exchange the candles of this database come from; a load from another one is refused.';
COMMENT ON COLUMN database_identity.only_row IS 'Always true: the table has one row.';
COMMENT ON COLUMN database_identity.exchange IS 'binance for real candles, simulated for those of the simulated exchange.';
COMMENT ON COLUMN database_identity.named_at IS 'When the database was given to this exchange.';

CREATE TABLE market_data (
    symbol text NOT NULL,
    timeframe text NOT NULL,
    timestamp timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    quote_volume double precision NOT NULL,
    trades bigint NOT NULL,
    taker_buy_volume double precision NOT NULL,
    taker_buy_quote_volume double precision NOT NULL,
    PRIMARY KEY (symbol, timeframe, timestamp),
    CONSTRAINT prices_are_finite CHECK (high < 'Infinity' AND open < 'Infinity' AND close < 'Infinity'),
    CONSTRAINT prices_are_not_negative CHECK (low >= 0),
    CONSTRAINT high_is_not_below_low CHECK (high >= low),
    CONSTRAINT high_and_low_bound_open_and_close CHECK (open BETWEEN low AND high AND close BETWEEN low AND high),
    CONSTRAINT volumes_are_finite_and_not_negative CHECK (
        volume >= 0 AND volume < 'Infinity' AND quote_volume >= 0 AND quote_volume < 'Infinity'
        AND taker_buy_volume >= 0 AND taker_buy_volume < 'Infinity'
        AND taker_buy_quote_volume >= 0 AND taker_buy_quote_volume < 'Infinity'
    ),
    CONSTRAINT trades_are_not_negative CHECK (trades >= 0)
) PARTITION BY LIST (timeframe);

COMMENT ON TABLE market_data IS
'Closed spot candles as Binance published them, one row a symbol, timeframe and open time. Nothing is ever filled in: a missing row is explained in data_gap.';
COMMENT ON COLUMN market_data.symbol IS 'Base asset, as in BTC for BTCUSDT. Where a ticker was reused, symbol_listing tells the assets apart by time.';
COMMENT ON COLUMN market_data.timeframe IS 'Candle length: 1m, 5m, 15m, 1h, 4h or 1d.';
COMMENT ON COLUMN market_data.timestamp IS 'Open time; the candle covers [timestamp, timestamp + timeframe). Days are UTC days.';
COMMENT ON COLUMN market_data.open IS 'First price, in quote asset (USDT).';
COMMENT ON COLUMN market_data.high IS 'Highest price.';
COMMENT ON COLUMN market_data.low IS 'Lowest price.';
COMMENT ON COLUMN market_data.close IS 'Last price.';
COMMENT ON COLUMN market_data.volume IS 'Traded amount in base asset.';
COMMENT ON COLUMN market_data.quote_volume IS 'Traded amount in quote asset (USDT).';
COMMENT ON COLUMN market_data.trades IS 'Number of trades.';
COMMENT ON COLUMN market_data.taker_buy_volume IS 'Base asset bought by takers.';
COMMENT ON COLUMN market_data.taker_buy_quote_volume IS 'Quote asset spent by buying takers.';

CREATE TABLE market_data_1m PARTITION OF market_data (
    CONSTRAINT timestamp_is_on_the_grid CHECK (date_bin('1 minute', timestamp, '1970-01-01 00:00+00') = timestamp)
) FOR VALUES IN ('1m') PARTITION BY RANGE (timestamp);
CREATE TABLE market_data_5m PARTITION OF market_data (
    CONSTRAINT timestamp_is_on_the_grid CHECK (date_bin('5 minutes', timestamp, '1970-01-01 00:00+00') = timestamp)
) FOR VALUES IN ('5m') PARTITION BY RANGE (timestamp);
CREATE TABLE market_data_15m PARTITION OF market_data (
    CONSTRAINT timestamp_is_on_the_grid CHECK (date_bin('15 minutes', timestamp, '1970-01-01 00:00+00') = timestamp)
) FOR VALUES IN ('15m') PARTITION BY RANGE (timestamp);
CREATE TABLE market_data_1h PARTITION OF market_data (
    CONSTRAINT timestamp_is_on_the_grid CHECK (date_bin('1 hour', timestamp, '1970-01-01 00:00+00') = timestamp)
) FOR VALUES IN ('1h') PARTITION BY RANGE (timestamp);
CREATE TABLE market_data_4h PARTITION OF market_data (
    CONSTRAINT timestamp_is_on_the_grid CHECK (date_bin('4 hours', timestamp, '1970-01-01 00:00+00') = timestamp)
) FOR VALUES IN ('4h') PARTITION BY RANGE (timestamp);
CREATE TABLE market_data_1d PARTITION OF market_data (
    CONSTRAINT timestamp_is_on_the_grid CHECK (date_bin('1 day', timestamp, '1970-01-01 00:00+00') = timestamp)
) FOR VALUES IN ('1d') PARTITION BY RANGE (timestamp);

CREATE FUNCTION timeframe_step(timeframe text) RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE timeframe
    WHEN '1m' THEN interval '1 minute' WHEN '5m' THEN interval '5 minutes' WHEN '15m' THEN interval '15 minutes'
    WHEN '1h' THEN interval '1 hour' WHEN '4h' THEN interval '4 hours' WHEN '1d' THEN interval '1 day'
END;

COMMENT ON FUNCTION timeframe_step(text) IS
'Length of a candle: timeframe_step(''1h'') is one hour. Null for a timeframe that is not stored. Sessions run in UTC, so a day is 24 hours.';

CREATE FUNCTION ensure_market_data_partitions(wanted text, starts timestamptz, ends timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
DECLARE
    period text := CASE WHEN timeframe_step(wanted) >= interval '1 hour' THEN 'year' ELSE 'month' END;
    suffix text := CASE period WHEN 'year' THEN 'YYYY' ELSE 'YYYY_MM' END;
    lower_bound timestamptz := date_trunc(period, starts);
    upper_bound timestamptz;
    partition text;
    made integer := 0;
BEGIN
    WHILE lower_bound < ends LOOP
        upper_bound := lower_bound + ('1 ' || period)::interval;
        partition := format('market_data_%s_%s', wanted, to_char(lower_bound, suffix));
        IF to_regclass(partition) IS NULL THEN
            -- One maker at a time, who looks again with a fresh snapshot; attaching keeps no writer out of the parent.
            PERFORM pg_advisory_xact_lock(hashtext('market_data partitions'));
            IF NOT EXISTS (SELECT FROM pg_class WHERE relname = partition AND relnamespace = 'public'::regnamespace) THEN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition, 'market_data_' || wanted);
                EXECUTE format(
                    'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    'market_data_' || wanted, partition, lower_bound, upper_bound
                );
                made := made + 1;
            END IF;
        END IF;
        lower_bound := upper_bound;
    END LOOP;
    RETURN made;
END
$$;

COMMENT ON FUNCTION ensure_market_data_partitions(text, timestamptz, timestamptz) IS
'Makes the partitions of a timeframe that [starts, ends) needs and returns how many were made. Safe to run again and by many at once.';

CREATE TABLE historical_data_range (
    symbol text NOT NULL,
    timeframe text NOT NULL,
    earliest_date timestamptz NOT NULL,
    latest_date timestamptz NOT NULL,
    total_records bigint NOT NULL,
    is_complete boolean NOT NULL,
    last_synced timestamptz NOT NULL,
    PRIMARY KEY (symbol, timeframe),
    CONSTRAINT earliest_is_not_after_latest CHECK (earliest_date <= latest_date),
    CONSTRAINT total_records_is_not_negative CHECK (total_records >= 0)
);

COMMENT ON TABLE historical_data_range IS 'How far each stored series reaches; kept in the transaction that stores its candles.';
COMMENT ON COLUMN historical_data_range.symbol IS 'Base asset.';
COMMENT ON COLUMN historical_data_range.timeframe IS 'Candle length.';
COMMENT ON COLUMN historical_data_range.earliest_date IS 'Open time of the first stored candle.';
COMMENT ON COLUMN historical_data_range.latest_date IS 'Open time of the last stored candle.';
COMMENT ON COLUMN historical_data_range.total_records IS 'Stored candles.';
COMMENT ON COLUMN historical_data_range.is_complete IS 'True where no hole without an explanation is known between the first and the last candle.';
COMMENT ON COLUMN historical_data_range.last_synced IS 'When the series was last loaded or found complete.';
