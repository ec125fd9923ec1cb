-- Fingerprints: a hash of the exact candles of a series and month, kept, and forgotten when a candle changes.
-- What an operator notices: series_fingerprint; refresh_fingerprints() after a load makes later reads cheap, but no read depends on it.
--
-- A row of series_fingerprint is also the lock of its month: who changes candles marks it first (touch_fingerprints, or the
-- trigger for updates and deletes), who computes holds it while counting. Inserts are not watched by a trigger, which would
-- slow every load; the number of candles is compared instead.

CREATE TABLE series_fingerprint (
    symbol text NOT NULL,
    timeframe text NOT NULL,
    month date NOT NULL,
    candles bigint,
    digest bytea,
    computed_at timestamptz,
    PRIMARY KEY (symbol, timeframe, month),
    CONSTRAINT month_is_its_first_day CHECK (extract(DAY FROM month) = 1),
    CONSTRAINT a_digest_counts_its_candles CHECK ((digest IS NULL) = (candles IS NULL) AND (digest IS NULL) = (computed_at IS NULL))
);

COMMENT ON TABLE series_fingerprint IS 'Digest of the candles of each series and calendar month (UTC); null where it must be computed again.';
COMMENT ON COLUMN series_fingerprint.symbol IS 'Base asset.';
COMMENT ON COLUMN series_fingerprint.timeframe IS 'Candle length.';
COMMENT ON COLUMN series_fingerprint.month IS 'First day of the month (UTC).';
COMMENT ON COLUMN series_fingerprint.candles IS 'Stored candles when the digest was made.';
COMMENT ON COLUMN series_fingerprint.digest IS 'SHA-256 of the candles; candle_digest() says of which bytes.';
COMMENT ON COLUMN series_fingerprint.computed_at IS 'When the digest was made.';

CREATE FUNCTION candle_digest(symbol text, timeframe text, start timestamptz, "end" timestamptz, OUT candles bigint, OUT digest bytea)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    SELECT
        count(*),
        sha256(coalesce(string_agg(
            timestamptz_send(timestamp) || float8send(open) || float8send(high) || float8send(low) || float8send(close)
            || float8send(volume) || float8send(quote_volume) || int8send(trades)
            || float8send(taker_buy_volume) || float8send(taker_buy_quote_volume),
            ''::bytea ORDER BY timestamp
        ), ''::bytea))
    INTO candle_digest.candles, candle_digest.digest
    FROM market_data
    WHERE symbol = candle_digest.symbol AND timeframe = candle_digest.timeframe
        AND timestamp >= candle_digest.start AND timestamp < candle_digest."end";
END
$$;

COMMENT ON FUNCTION candle_digest(text, text, timestamptz, timestamptz) IS
'SHA-256 of the stored candles with start <= open time < end, in order of time, 80 bytes each, big-endian: microseconds since 2000-01-01 UTC (int8), open, high, low, close, volume, quote_volume (float8), trades (int8), taker_buy_volume, taker_buy_quote_volume (float8).';

CREATE FUNCTION touch_fingerprints(symbol text, timeframe text, start timestamptz, "end" timestamptz) RETURNS void
LANGUAGE plpgsql
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO series_fingerprint (symbol, timeframe, month)
    SELECT touch_fingerprints.symbol, touch_fingerprints.timeframe, month::date
    FROM generate_series(date_trunc('month', start), "end" - interval '1 microsecond', interval '1 month') AS month
    ORDER BY month
    ON CONFLICT (symbol, timeframe, month) DO UPDATE SET candles = NULL, digest = NULL, computed_at = NULL
    WHERE series_fingerprint.digest IS NOT NULL;
END
$$;

COMMENT ON FUNCTION touch_fingerprints(text, text, timestamptz, timestamptz) IS
'Forgets the digests of the months that [start, end) touches. A load calls it for its window, in the transaction that stores the candles.';

CREATE FUNCTION refresh_fingerprints(
    symbol text DEFAULT NULL, timeframe text DEFAULT NULL, months integer DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wanted record;
    made record;
    refreshed integer := 0;
BEGIN
    FOR wanted IN
        SELECT symbol, timeframe, month FROM series_fingerprint
        WHERE digest IS NULL
            AND (refresh_fingerprints.symbol IS NULL OR symbol = refresh_fingerprints.symbol)
            AND (refresh_fingerprints.timeframe IS NULL OR timeframe = refresh_fingerprints.timeframe)
        ORDER BY symbol, timeframe, month
        LIMIT refresh_fingerprints.months
    LOOP
        -- locked first, counted after: a load that changes the month either has ended or waits for us and forgets what we write
        PERFORM FROM series_fingerprint
        WHERE symbol = wanted.symbol AND timeframe = wanted.timeframe AND month = wanted.month AND digest IS NULL
        FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            SELECT * INTO made
            FROM candle_digest(wanted.symbol, wanted.timeframe, wanted.month::timestamptz, wanted.month::timestamptz + interval '1 month');
            UPDATE series_fingerprint SET candles = made.candles, digest = made.digest, computed_at = clock_timestamp()
            WHERE symbol = wanted.symbol AND timeframe = wanted.timeframe AND month = wanted.month;
            refreshed := refreshed + 1;
        END IF;
    END LOOP;
    RETURN refreshed;
END
$$;

COMMENT ON FUNCTION refresh_fingerprints(text, text, integer) IS
'Computes the digests that loads have made void, of one series or of all (null), at most `months` of them, and returns how many. Months that a load holds are left for the next call. Needs read committed isolation.';

CREATE FUNCTION forget_fingerprint() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO public.series_fingerprint (symbol, timeframe, month)
    VALUES (OLD.symbol, OLD.timeframe, date_trunc('month', OLD.timestamp AT TIME ZONE 'UTC'))
    ON CONFLICT (symbol, timeframe, month) DO UPDATE SET candles = NULL, digest = NULL, computed_at = NULL
    WHERE series_fingerprint.digest IS NOT NULL;
    IF TG_OP = 'UPDATE' AND (NEW.symbol, NEW.timeframe, NEW.timestamp) IS DISTINCT FROM (OLD.symbol, OLD.timeframe, OLD.timestamp) THEN
        PERFORM public.touch_fingerprints(NEW.symbol, NEW.timeframe, NEW.timestamp, NEW.timestamp + interval '1 microsecond');
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION forget_fingerprint() IS 'Trigger: a candle that is changed or deleted voids the digest of its month.';

CREATE TRIGGER changed_candles_void_their_fingerprint AFTER UPDATE OR DELETE ON market_data
FOR EACH ROW EXECUTE FUNCTION forget_fingerprint();

CREATE FUNCTION ohlcv_months(symbol text, timeframe text, start timestamptz, "end" timestamptz, verify boolean DEFAULT TRUE)
RETURNS TABLE (month date, candles bigint, digest bytea)
LANGUAGE plpgsql STABLE
SET timezone = 'UTC'
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH part AS (
        SELECT
            month::date AS month,
            greatest(month, ohlcv_months.start) AS part_start,
            least(month + interval '1 month', ohlcv_months."end") AS part_end,
            month >= ohlcv_months.start AND month + interval '1 month' <= ohlcv_months."end" AS is_whole
        FROM generate_series(date_trunc('month', ohlcv_months.start), ohlcv_months."end" - interval '1 microsecond', interval '1 month') AS month
    ),
    known AS (
        SELECT part.month, kept.candles, kept.digest
        FROM part
        INNER JOIN series_fingerprint AS kept
            ON kept.symbol = ohlcv_months.symbol AND kept.timeframe = ohlcv_months.timeframe AND kept.month = part.month
        WHERE part.is_whole AND kept.digest IS NOT NULL
            AND (NOT ohlcv_months.verify OR kept.candles = (
                SELECT count(*) FROM market_data AS candle
                WHERE candle.symbol = ohlcv_months.symbol AND candle.timeframe = ohlcv_months.timeframe
                    AND candle.timestamp >= part.part_start AND candle.timestamp < part.part_end
            ))
    ),
    computed AS (
        SELECT part.month, made.candles, made.digest
        FROM part
        CROSS JOIN LATERAL candle_digest(ohlcv_months.symbol, ohlcv_months.timeframe, part.part_start, part.part_end) AS made
        WHERE NOT EXISTS (SELECT FROM known WHERE known.month = part.month)
    )
    SELECT month, candles, digest FROM known WHERE candles > 0
    UNION ALL
    SELECT month, candles, digest FROM computed WHERE candles > 0
    ORDER BY month;
END
$$;

COMMENT ON FUNCTION ohlcv_months(text, text, timestamptz, timestamptz, boolean) IS
'Candles and digest of each month of [start, end), cut to the range, empty months left out: kept digests where they hold, else computed. verify compares their number of candles with the stored ones.';

REVOKE ALL ON FUNCTION candle_digest(text, text, timestamptz, timestamptz) FROM public;
REVOKE ALL ON FUNCTION touch_fingerprints(text, text, timestamptz, timestamptz) FROM public;
REVOKE ALL ON FUNCTION refresh_fingerprints(text, text, integer) FROM public;
REVOKE ALL ON FUNCTION forget_fingerprint() FROM public;
REVOKE ALL ON FUNCTION ohlcv_months(text, text, timestamptz, timestamptz, boolean) FROM public;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON series_fingerprint TO market_writer;
        GRANT EXECUTE ON FUNCTION
            candle_digest(text, text, timestamptz, timestamptz),
            touch_fingerprints(text, text, timestamptz, timestamptz),
            refresh_fingerprints(text, text, integer),
            forget_fingerprint(),
            ohlcv_months(text, text, timestamptz, timestamptz, boolean)
        TO market_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'backtester') THEN
        GRANT SELECT ON series_fingerprint TO backtester;
        GRANT EXECUTE ON FUNCTION
            candle_digest(text, text, timestamptz, timestamptz),
            ohlcv_months(text, text, timestamptz, timestamptz, boolean)
        TO backtester;
    END IF;
END
$$;
