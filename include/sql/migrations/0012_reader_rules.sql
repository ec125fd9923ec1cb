-- The rules of the reader in SQL, the same as those of include/klines/reader: grids, timeframes, listings.
-- What an operator notices: nothing; 0014_ohlcv makes the functions for backtesters of these.
--
-- Errors: KL001 missing data, KL002 unknown symbol, KL003 unknown timeframe, KL004 range outside the listing, KL005 a ticker that
-- names two assets in the range, 22023 an argument that cannot be meant. Each has a message, and a hint where something can be done.

CREATE FUNCTION candle_step(timeframe text) RETURNS interval
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE timeframe
    WHEN '1m' THEN interval '1 minute' WHEN '5m' THEN interval '5 minutes' WHEN '15m' THEN interval '15 minutes'
    WHEN '30m' THEN interval '30 minutes' WHEN '1h' THEN interval '1 hour' WHEN '2h' THEN interval '2 hours'
    WHEN '4h' THEN interval '4 hours' WHEN '6h' THEN interval '6 hours' WHEN '8h' THEN interval '8 hours'
    WHEN '12h' THEN interval '12 hours' WHEN '1d' THEN interval '24 hours' WHEN '1w' THEN interval '168 hours'
END;

COMMENT ON FUNCTION candle_step(text) IS
'Length of a candle that can be read: those that are stored, and 30m, 2h, 6h, 8h, 12h, 1w, which are made of them. Null for any other.';

CREATE FUNCTION candle_floor(moment timestamptz, timeframe text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN date_bin(candle_step(timeframe), moment, timestamptz '1970-01-05 00:00+00');

COMMENT ON FUNCTION candle_floor(timestamptz, text) IS 'The latest open time at or before a moment. Weeks start on Mondays, as Binance''s do.';

CREATE FUNCTION candle_ceil(moment timestamptz, timeframe text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN candle_floor(moment + candle_step(timeframe) - interval '1 microsecond', timeframe);

COMMENT ON FUNCTION candle_ceil(timestamptz, text) IS 'The earliest open time at or after a moment.';

CREATE FUNCTION candles_between(start timestamptz, "end" timestamptz, timeframe text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN round(extract(EPOCH FROM "end" - start) / extract(EPOCH FROM candle_step(timeframe)));

COMMENT ON FUNCTION candles_between(timestamptz, timestamptz, text) IS 'Candles that open in [start, end), both on the grid of the timeframe.';

CREATE FUNCTION iso_utc(moment timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

COMMENT ON FUNCTION iso_utc(timestamptz) IS 'A time as fingerprints spell it: 2024-03-05T13:00:00Z.';

CREATE FUNCTION short_utc(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'now');

COMMENT ON FUNCTION short_utc(timestamptz) IS 'A time as messages spell it: 2024-03-05 13:00, in UTC; now for null.';

CREATE FUNCTION base_timeframe(symbol text, timeframe text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    stored text[];
    base text;
    near text;
BEGIN
    IF EXISTS (
        SELECT FROM market_data AS candle
        WHERE candle.symbol = base_timeframe.symbol AND candle.timeframe = base_timeframe.timeframe
    ) THEN
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
    SELECT candidate.timeframe INTO base
    FROM unnest(ARRAY['1d', '4h', '1h', '15m', '5m', '1m']) WITH ORDINALITY AS candidate (timeframe, place)
    WHERE candle_step(candidate.timeframe) < candle_step(base_timeframe.timeframe)
        AND extract(EPOCH FROM candle_step(base_timeframe.timeframe)) % extract(EPOCH FROM candle_step(candidate.timeframe)) = 0
    ORDER BY coalesce(candidate.timeframe = ANY(stored), FALSE) DESC, candidate.place
    LIMIT 1;
    IF timeframe_step(base_timeframe.timeframe) IS NOT NULL AND NOT coalesce(base = ANY(stored), FALSE) THEN
        RETURN base_timeframe.timeframe;
    END IF;
    RETURN base;
END
$$;

COMMENT ON FUNCTION base_timeframe(text, text) IS
'The stored timeframe that a timeframe of a symbol is read from: itself, or the longest stored one that divides it. Raises KL002, KL003.';

CREATE FUNCTION readable_range(
    symbol text, timeframe text, start timestamptz, "end" timestamptz,
    OUT base text, OUT first_open timestamptz, OUT last_end timestamptz, OUT listed_at timestamptz
)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    what text;
    known text;
    touched record;
    listings bigint;
    inside_first timestamptz;
    inside_last timestamptz;
BEGIN
    base := base_timeframe(readable_range.symbol, readable_range.timeframe);
    first_open := candle_ceil(readable_range.start, readable_range.timeframe);
    last_end := candle_ceil(readable_range."end", readable_range.timeframe);
    IF first_open IS NULL OR last_end IS NULL OR last_end <= first_open THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format(
            'no %s candle opens between %s and %s: the end is exclusive and must be later.',
            readable_range.timeframe, readable_range.start, readable_range."end"
        );
    END IF;
    what := format('%s %s [%s, %s) UTC', readable_range.symbol, readable_range.timeframe, short_utc(first_open), short_utc(last_end));
    SELECT
        count(*),
        string_agg(format(
            '%s number %s from %s to %s', listing.base_asset, listing.listing_number,
            coalesce(short_utc(listing.listed_at), 'an unknown time'), short_utc(listing.delisted_at)
        ), '; ' ORDER BY listing.listing_number)
    INTO listings, known
    FROM symbol_listing AS listing WHERE listing.symbol = readable_range.symbol;
    IF listings = 0 THEN
        RETURN;
    END IF;
    SELECT count(*) AS number, min(listing.listed_at) AS listed_at, max(coalesce(listing.delisted_at, 'infinity')) AS delisted_at
    INTO touched
    FROM symbol_listing AS listing
    WHERE listing.symbol = readable_range.symbol
        AND coalesce(candle_floor(listing.listed_at, base), '-infinity') < last_end
        AND coalesce(candle_ceil(listing.delisted_at, base), 'infinity') > first_open;
    IF touched.number > 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'KL005',
            MESSAGE = format('%s spans two assets that share the ticker and are never stitched: %s.', what, known),
            HINT = 'Read one at a time.';
    ELSIF touched.number = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'KL004',
            MESSAGE = format('%s lies outside the listing (%s).', what, known), HINT = 'Choose a range inside it.';
    END IF;
    listed_at := touched.listed_at;
    inside_first := coalesce(candle_floor(touched.listed_at, base), '-infinity');
    inside_last := CASE touched.delisted_at WHEN 'infinity' THEN 'infinity' ELSE candle_ceil(touched.delisted_at, base) END;
    IF base <> readable_range.timeframe THEN
        inside_first := CASE inside_first WHEN '-infinity' THEN inside_first ELSE candle_ceil(inside_first, readable_range.timeframe) END;
        inside_last := CASE inside_last WHEN 'infinity' THEN inside_last ELSE candle_floor(inside_last, readable_range.timeframe) END;
    END IF;
    IF first_open < inside_first OR last_end > inside_last THEN
        RAISE EXCEPTION USING ERRCODE = 'KL004',
            MESSAGE = format('%s leaves the listing (%s).', what, known),
            HINT = format(
                'The part from %s to %s lies inside.',
                short_utc(greatest(first_open, inside_first)), short_utc(least(last_end, inside_last))
            );
    END IF;
END
$$;

COMMENT ON FUNCTION readable_range(text, text, timestamptz, timestamptz) IS
'The grid opens of a range, the stored timeframe to read, and the listing''s start; the range must lie inside one listing. Raises KL002, KL003, KL004, KL005, 22023.';

REVOKE ALL ON FUNCTION candle_step FROM public;
REVOKE ALL ON FUNCTION candle_floor FROM public;
REVOKE ALL ON FUNCTION candle_ceil FROM public;
REVOKE ALL ON FUNCTION candles_between FROM public;
REVOKE ALL ON FUNCTION iso_utc FROM public;
REVOKE ALL ON FUNCTION short_utc FROM public;
REVOKE ALL ON FUNCTION base_timeframe FROM public;
REVOKE ALL ON FUNCTION readable_range FROM public;

DO $$
DECLARE
    reader text;
BEGIN
    FOREACH reader IN ARRAY ARRAY['market_writer', 'backtester'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION candle_step, candle_floor, candle_ceil, candles_between, iso_utc, short_utc, base_timeframe, readable_range TO %I', reader);
        END IF;
    END LOOP;
END
$$;
