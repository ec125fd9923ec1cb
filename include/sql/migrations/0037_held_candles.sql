-- Digests of a month are not computed from a partition that is being put in order or taken out.
-- What an operator notices: the function hold_candles(), which measurements and refresh_fingerprints() call. One that waited for
-- make_symbol_order or a prune saw none of the candles, and kept that: findings were deleted, the digest of an empty month remained.

CREATE FUNCTION hold_candles(timeframes text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    tables text := (
        SELECT string_agg(format(', ONLY %I', 'market_data_' || wanted.name), '' ORDER BY wanted.name)
        FROM (SELECT DISTINCT unnest(hold_candles.timeframes) AS name) AS wanted
        WHERE timeframe_step(wanted.name) IS NOT NULL
    );
BEGIN
    -- parents before children, as every other statement; from now on nobody takes a partition out or replaces it
    EXECUTE 'LOCK TABLE ONLY market_data' || coalesce(tables, '') || ' IN ACCESS SHARE MODE';
END
$$;

COMMENT ON FUNCTION hold_candles(text[]) IS
'Waits until no partition of these timeframes is being replaced or taken out, and keeps all in their places until the transaction ends. To be called before a statement that reads candles inside of a function: its snapshot is older than that wait. Needs read committed isolation.';

CREATE OR REPLACE FUNCTION refresh_fingerprints(
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
    held text[] := (
        SELECT array_agg(DISTINCT timeframe) FROM series_fingerprint
        WHERE digest IS NULL
            AND (refresh_fingerprints.symbol IS NULL OR symbol = refresh_fingerprints.symbol)
            AND (refresh_fingerprints.timeframe IS NULL OR timeframe = refresh_fingerprints.timeframe)
    );
BEGIN
    PERFORM hold_candles(held); -- before any month is locked: whoever waits for one has no partition that we wait for
    FOR wanted IN
        SELECT symbol, timeframe, month FROM series_fingerprint
        WHERE digest IS NULL AND timeframe = ANY (held)
            AND (refresh_fingerprints.symbol IS NULL OR symbol = refresh_fingerprints.symbol)
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

REVOKE ALL ON FUNCTION hold_candles(text[]) FROM public;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT EXECUTE ON FUNCTION hold_candles(text[]) TO market_writer;
    END IF;
END
$$;
