-- The reader in SQL: ohlcv(), ohlcv_fingerprint(), coverage(), universe(). 0012_reader_rules lists the errors they raise.
-- What an operator notices: four functions for backtesters, in any language.

CREATE FUNCTION ohlcv(
    symbol text, timeframe text, start timestamptz, "end" timestamptz, on_gap text DEFAULT 'raise', on_outage text DEFAULT 'mask'
)
RETURNS TABLE (
    "timestamp" timestamptz, -- noqa: RF06
    open double precision, high double precision, low double precision, close double precision,
    volume double precision, quote_volume double precision, trades bigint,
    taker_buy_volume double precision, taker_buy_quote_volume double precision,
    is_filled boolean, missing_cause text
)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wanted record;
    carried double precision;
BEGIN
    PERFORM check_policies(ohlcv.on_gap, ohlcv.on_outage);
    SELECT * INTO wanted FROM readable_range(ohlcv.symbol, ohlcv.timeframe, ohlcv.start, ohlcv."end");
    IF wanted.base <> ohlcv.timeframe THEN
        RAISE NOTICE '% % is made of complete groups of % candles', ohlcv.symbol, ohlcv.timeframe, wanted.base;
    END IF;
    IF ohlcv.on_gap = 'raise' THEN
        PERFORM refuse_missing(ohlcv.symbol, ohlcv.timeframe, wanted.base, wanted.first_open, wanted.last_end);
    END IF;
    IF ohlcv.on_outage = 'ffill' THEN
        SELECT candle.close INTO carried FROM market_data AS candle
        WHERE candle.symbol = ohlcv.symbol AND candle.timeframe = wanted.base AND candle.timestamp < wanted.first_open
            AND candle.timestamp >= coalesce(candle_floor(wanted.listed_at, wanted.base), '-infinity')
        ORDER BY candle.timestamp DESC LIMIT 1;
    END IF;
    RETURN QUERY
    WITH placed AS (
        SELECT candle.*, NULL::text AS cause, FALSE AS is_explained
        FROM complete_candles(ohlcv.symbol, ohlcv.timeframe, wanted.base, wanted.first_open, wanted.last_end) AS candle
        UNION ALL
        SELECT missing.opened, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, missing.cause, missing.is_explained
        FROM missing_candles(ohlcv.symbol, ohlcv.timeframe, wanted.base, wanted.first_open, wanted.last_end) AS missing
    ),
    counted AS (
        SELECT placed.*, count(placed.close) OVER (ORDER BY placed.opened) AS candles_so_far FROM placed
    ),
    carrying AS (
        SELECT
            counted.*,
            CASE
                WHEN ohlcv.on_outage = 'ffill' AND counted.is_explained
                    THEN coalesce(max(counted.close) OVER (PARTITION BY counted.candles_so_far), carried)
            END AS carry
        FROM counted
        WHERE counted.cause IS NULL OR CASE WHEN counted.is_explained THEN ohlcv.on_outage ELSE ohlcv.on_gap END <> 'drop'
    )
    SELECT
        carrying.opened,
        coalesce(carrying.open, carrying.carry), coalesce(carrying.high, carrying.carry),
        coalesce(carrying.low, carrying.carry), coalesce(carrying.close, carrying.carry),
        coalesce(carrying.volume, carrying.carry * 0), coalesce(carrying.quote_volume, carrying.carry * 0),
        coalesce(carrying.trades, (carrying.carry * 0)::bigint),
        coalesce(carrying.taker_buy_volume, carrying.carry * 0), coalesce(carrying.taker_buy_quote_volume, carrying.carry * 0),
        carrying.carry IS NOT NULL,
        carrying.cause
    FROM carrying
    ORDER BY carrying.opened;
END
$$;

COMMENT ON FUNCTION ohlcv(text, text, timestamptz, timestamptz, text, text) IS
'Candles with start <= open time < end, continuous, or an error that says what is missing and which command loads it. on_gap (missing without an explanation): raise, mask (nulls), drop. on_outage (never existed, or pruned): mask, drop, ffill (price carried, volume 0, is_filled true). missing_cause says why a row has no candle. A timeframe that is not stored (30m 2h 6h 8h 12h 1w, or any stored one the symbol lacks) is made of complete groups, with a notice.';

CREATE FUNCTION ohlcv_fingerprint(
    symbol text, timeframe text, start timestamptz, "end" timestamptz, on_gap text DEFAULT 'raise', on_outage text DEFAULT 'mask'
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wanted record;
    stored bigint;
    months text;
    explained text;
BEGIN
    PERFORM check_policies(ohlcv_fingerprint.on_gap, ohlcv_fingerprint.on_outage);
    SELECT * INTO wanted
    FROM readable_range(ohlcv_fingerprint.symbol, ohlcv_fingerprint.timeframe, ohlcv_fingerprint.start, ohlcv_fingerprint."end");
    SELECT
        coalesce(sum(part.candles), 0),
        string_agg(format(E'\n%s %s %s', to_char(part.month, 'YYYY-MM'), part.candles, encode(part.digest, 'hex')), '' ORDER BY part.month)
    INTO stored, months
    FROM ohlcv_months(ohlcv_fingerprint.symbol, wanted.base, wanted.first_open, wanted.last_end) AS part;
    IF stored = candles_between(wanted.first_open, wanted.last_end, wanted.base) THEN
        explained := NULL; -- nothing is missing
    ELSIF ohlcv_fingerprint.on_gap = 'raise' THEN
        PERFORM refuse_missing(ohlcv_fingerprint.symbol, ohlcv_fingerprint.timeframe, wanted.base, wanted.first_open, wanted.last_end);
    ELSE
        WITH hole AS (
            SELECT missing.opened, missing.opened - candle_step(ohlcv_fingerprint.timeframe) * row_number() OVER (ORDER BY missing.opened) AS island
            FROM missing_candles(ohlcv_fingerprint.symbol, ohlcv_fingerprint.timeframe, wanted.base, wanted.first_open, wanted.last_end) AS missing
            WHERE missing.is_explained
        ),
        span AS (
            SELECT min(opened) AS starts, max(opened) + candle_step(ohlcv_fingerprint.timeframe) AS ends FROM hole GROUP BY island
        )
        SELECT string_agg(format(E'\nexplained %s %s', iso_utc(starts), iso_utc(ends)), '' ORDER BY starts) INTO explained FROM span;
    END IF;
    RETURN encode(sha256(convert_to(concat(
        E'klines 1\n', ohlcv_fingerprint.symbol, ' ', ohlcv_fingerprint.timeframe, ' from ', wanted.base,
        E'\n', iso_utc(wanted.first_open), ' ', iso_utc(wanted.last_end),
        E'\non_gap ', ohlcv_fingerprint.on_gap, ' on_outage ', ohlcv_fingerprint.on_outage, months, explained
    ), 'UTF8')), 'hex');
END
$$;

COMMENT ON FUNCTION ohlcv_fingerprint(text, text, timestamptz, timestamptz, text, text) IS
'A hash of exactly what ohlcv() with the same arguments gives (all columns) and of its policies: the same on every machine, version and physical order, and the same as the Python reader''s. Raises what ohlcv() raises.';

CREATE FUNCTION coverage(symbol text, timeframe text, start timestamptz, "end" timestamptz)
RETURNS TABLE (
    expected bigint, present bigint, missing bigint, open bigint, not_published bigint, not_closed bigint,
    exchange_outage bigint, suspension bigint, pruned bigint,
    completeness_percentage double precision, adjusted_completeness_percentage double precision
)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    base text := base_timeframe(coverage.symbol, coverage.timeframe);
BEGIN
    RETURN QUERY
    WITH listing AS (
        SELECT
            coalesce(candle_ceil(candle_floor(known.listed_at, base), coverage.timeframe), '-infinity') AS listed_at,
            coalesce(candle_floor(candle_ceil(known.delisted_at, base), coverage.timeframe), 'infinity') AS delisted_at
        FROM symbol_listing AS known WHERE known.symbol = coverage.symbol
        UNION ALL
        SELECT '-infinity', 'infinity' WHERE NOT EXISTS (SELECT FROM symbol_listing AS known WHERE known.symbol = coverage.symbol)
    ),
    part AS (
        SELECT
            greatest(listing.listed_at, candle_ceil(coverage.start, coverage.timeframe)) AS starts,
            least(listing.delisted_at, candle_ceil(coverage."end", coverage.timeframe)) AS ends
        FROM listing
    ),
    hole AS (
        SELECT missing.cause, missing.is_explained
        FROM part CROSS JOIN LATERAL missing_candles(coverage.symbol, coverage.timeframe, base, part.starts, part.ends) AS missing
        WHERE part.starts < part.ends
    ),
    counted AS (
        SELECT
            (SELECT coalesce(sum(candles_between(part.starts, part.ends, coverage.timeframe)), 0) FROM part WHERE part.starts < part.ends)::bigint AS expected,
            count(*) AS missing,
            count(*) FILTER (WHERE cause = 'open') AS open,
            count(*) FILTER (WHERE cause = 'not_published') AS not_published,
            count(*) FILTER (WHERE cause = 'not_closed') AS not_closed,
            count(*) FILTER (WHERE cause = 'exchange_outage') AS exchange_outage,
            count(*) FILTER (WHERE cause = 'suspension') AS suspension,
            count(*) FILTER (WHERE cause = 'pruned') AS pruned,
            count(*) FILTER (WHERE is_explained) AS unfillable
        FROM hole
    )
    SELECT
        counted.expected, counted.expected - counted.missing, counted.missing, counted.open, counted.not_published, counted.not_closed,
        counted.exchange_outage, counted.suspension, counted.pruned,
        coalesce(100.0 * (counted.expected - counted.missing) / nullif(counted.expected, 0), 100)::double precision,
        coalesce(100.0 * (counted.expected - counted.missing) / nullif(counted.expected - counted.unfillable, 0), 100)::double precision
    FROM counted;
END
$$;

COMMENT ON FUNCTION coverage(text, text, timestamptz, timestamptz) IS
'Candles expected from listing to delisting, present, and missing by cause, counted from the candles themselves. Time outside the listing is not expected.';

CREATE FUNCTION universe(as_of timestamptz, of_tier text DEFAULT NULL)
RETURNS TABLE (
    symbol text, listing_number smallint, asset text, exchange_symbol text, tier text,
    listed_at timestamptz, delisted_at timestamptz, successor text, successor_ratio numeric
)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        listing.symbol, listing.listing_number, listing.base_asset, listing.exchange_symbol, listing.tier,
        listing.listed_at, listing.delisted_at, listing.successor, listing.successor_ratio
    FROM symbol_listing AS listing
    WHERE coalesce(listing.tier = of_tier, listing.tier <> 'excluded')
        AND listing.listed_at <= as_of
        AND (listing.delisted_at IS NULL OR listing.delisted_at > as_of)
    ORDER BY listing.symbol, listing.listing_number;
END
$$;

COMMENT ON FUNCTION universe(timestamptz, text) IS
'The assets that were listed at an instant, those delisted since included: of a tier, or core and extended (null). Symbols whose listing is not discovered yet cannot be placed in time and are left out; the view symbols has them.';

REVOKE ALL ON FUNCTION ohlcv FROM public;
REVOKE ALL ON FUNCTION ohlcv_fingerprint FROM public;
REVOKE ALL ON FUNCTION coverage FROM public;
REVOKE ALL ON FUNCTION universe FROM public;

DO $$
DECLARE
    reader text;
BEGIN
    FOREACH reader IN ARRAY ARRAY['market_writer', 'backtester'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION ohlcv, ohlcv_fingerprint, coverage, universe TO %I', reader);
        END IF;
    END LOOP;
END
$$;
