-- The rules of the reader in SQL, the same as those of include/klines/reader: grids, listings, what is missing and why.
-- What an operator notices: nothing; 0013_ohlcv makes the functions for backtesters of these.
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

CREATE FUNCTION missing_candles(symbol text, timeframe text, base text, start timestamptz, "end" timestamptz)
RETURNS TABLE (opened timestamptz, cause text, is_explained boolean)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    causes CONSTANT text[] := ARRAY['open', 'not_published', 'not_closed', 'exchange_outage', 'suspension', 'pruned'];
    step CONSTANT interval := candle_step(missing_candles.base);
BEGIN
    IF (
        SELECT count(*) FROM market_data AS candle
        WHERE candle.symbol = missing_candles.symbol AND candle.timeframe = missing_candles.base
            AND candle.timestamp >= missing_candles.start AND candle.timestamp < missing_candles."end"
    ) = candles_between(missing_candles.start, missing_candles."end", missing_candles.base) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH hole AS (
        SELECT place.opened
        FROM generate_series(missing_candles.start, missing_candles."end" - step, step) AS place (opened)
        LEFT JOIN (
            SELECT candle.timestamp FROM market_data AS candle
            WHERE candle.symbol = missing_candles.symbol AND candle.timeframe = missing_candles.base
                AND candle.timestamp >= missing_candles.start AND candle.timestamp < missing_candles."end"
        ) AS stored ON stored.timestamp = place.opened
        WHERE stored.timestamp IS NULL
    ),
    known AS (
        SELECT gap.gap_start, gap.gap_end, array_position(causes, gap.cause) AS code
        FROM data_gap AS gap
        WHERE gap.symbol = missing_candles.symbol AND gap.timeframe = missing_candles.base AND gap.resolved_at IS NULL
            AND gap.gap_start < missing_candles."end" AND gap.gap_end > missing_candles.start
    ),
    explained AS (
        SELECT
            hole.opened,
            greatest(
                (SELECT max(known.code) FROM known WHERE known.gap_start <= hole.opened AND hole.opened < known.gap_end),
                CASE WHEN hole.opened + step > now() THEN 3 ELSE 1 END
            ) AS code
        FROM hole
    ),
    grouped AS (
        -- a longer candle is missing for the first cause that a load can mend, else for the last one of the others
        SELECT
            candle_floor(explained.opened, missing_candles.timeframe) AS opened,
            coalesce(min(explained.code) FILTER (WHERE explained.code < 4), max(explained.code)) AS code
        FROM explained
        GROUP BY candle_floor(explained.opened, missing_candles.timeframe)
    )
    SELECT grouped.opened, causes[grouped.code], grouped.code >= 4 FROM grouped ORDER BY grouped.opened;
END
$$;

COMMENT ON FUNCTION missing_candles(text, text, text, timestamptz, timestamptz) IS
'The candles that are not stored (or, of a longer timeframe than base, not complete) in [start, end) on the grid, seen from the candles themselves, and why.';

CREATE FUNCTION refuse_missing(symbol text, timeframe text, base text, start timestamptz, "end" timestamptz) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    step CONSTANT interval := candle_step(refuse_missing.timeframe);
    found record;
BEGIN
    WITH candle AS (
        SELECT missing.opened, missing.cause, missing.opened - step * row_number() OVER (PARTITION BY missing.cause ORDER BY missing.opened) AS island
        FROM missing_candles(refuse_missing.symbol, refuse_missing.timeframe, refuse_missing.base, refuse_missing.start, refuse_missing."end") AS missing
        WHERE NOT missing.is_explained
    ),
    span AS (
        SELECT min(opened) AS starts, max(opened) + step AS ends, count(*) AS candles, cause FROM candle GROUP BY cause, island
    ),
    numbered AS (
        SELECT span.*, row_number() OVER (ORDER BY starts) AS place FROM span
    )
    SELECT
        sum(candles) AS missing,
        count(*) AS windows,
        string_agg(format('[%s, %s) %s', short_utc(starts), short_utc(ends), cause), ', ' ORDER BY starts) FILTER (WHERE place <= 5) AS listed,
        min(starts) FILTER (WHERE cause <> 'not_closed') AS first_open,
        max(ends) FILTER (WHERE cause <> 'not_closed') AS last_end
    INTO found FROM numbered;
    IF found.windows > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'KL001',
            MESSAGE = format(
                '%s %s [%s, %s) UTC lacks %s of %s candles (%s %%) without an explanation: %s%s.',
                refuse_missing.symbol, refuse_missing.timeframe, short_utc(refuse_missing.start), short_utc(refuse_missing."end"),
                found.missing, candles_between(refuse_missing.start, refuse_missing."end", refuse_missing.timeframe),
                round(100 * found.missing / candles_between(refuse_missing.start, refuse_missing."end", refuse_missing.timeframe), 4),
                found.listed,
                CASE WHEN found.windows > 5 THEN format(' and %s more', found.windows - 5) ELSE '' END
            ),
            HINT = CASE
                WHEN found.first_open IS NULL THEN 'These candles have not closed yet: end the range before them.'
                ELSE format(
                    'Load them with the Dag klines_initial_load, in a shell: airflow dags trigger klines_initial_load --conf ''{"symbols": ["%s"], "timeframes": ["%s"], "start": "%s", "end": "%s"}''',
                    refuse_missing.symbol, refuse_missing.base,
                    to_char(found.first_open AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
                    to_char((found.last_end - interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                )
            END;
    END IF;
END
$$;

COMMENT ON FUNCTION refuse_missing(text, text, text, timestamptz, timestamptz) IS
'Raises KL001 where a candle of the range is missing without an explanation; the hint is the command that loads it.';

CREATE FUNCTION check_policies(on_gap text, on_outage text) RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF on_gap IS NULL OR on_gap NOT IN ('raise', 'mask', 'drop') THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('on_gap=%L is not a policy: use one of raise, mask, drop.', on_gap);
    ELSIF on_outage IS NULL OR on_outage NOT IN ('mask', 'drop', 'ffill') THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('on_outage=%L is not a policy: use one of mask, drop, ffill.', on_outage);
    END IF;
END
$$;

COMMENT ON FUNCTION check_policies(text, text) IS 'Raises 22023 where a gap policy is not one of those there are.';

CREATE FUNCTION complete_candles(symbol text, timeframe text, base text, start timestamptz, "end" timestamptz)
RETURNS TABLE (
    opened timestamptz, open double precision, high double precision, low double precision, close double precision,
    volume double precision, quote_volume double precision, trades bigint,
    taker_buy_volume double precision, taker_buy_quote_volume double precision
)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF complete_candles.base = complete_candles.timeframe THEN
        RETURN QUERY
        SELECT
            candle.timestamp, candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume, candle.trades,
            candle.taker_buy_volume, candle.taker_buy_quote_volume
        FROM market_data AS candle
        WHERE candle.symbol = complete_candles.symbol AND candle.timeframe = complete_candles.base
            AND candle.timestamp >= complete_candles.start AND candle.timestamp < complete_candles."end";
    ELSE
        RETURN QUERY
        SELECT
            candle_floor(candle.timestamp, complete_candles.timeframe),
            (array_agg(candle.open ORDER BY candle.timestamp))[1], max(candle.high), min(candle.low),
            (array_agg(candle.close ORDER BY candle.timestamp DESC))[1],
            sum(candle.volume ORDER BY candle.timestamp), sum(candle.quote_volume ORDER BY candle.timestamp),
            sum(candle.trades)::bigint,
            sum(candle.taker_buy_volume ORDER BY candle.timestamp), sum(candle.taker_buy_quote_volume ORDER BY candle.timestamp)
        FROM market_data AS candle
        WHERE candle.symbol = complete_candles.symbol AND candle.timeframe = complete_candles.base
            AND candle.timestamp >= complete_candles.start AND candle.timestamp < complete_candles."end"
        GROUP BY candle_floor(candle.timestamp, complete_candles.timeframe)
        HAVING count(*) = extract(EPOCH FROM candle_step(complete_candles.timeframe)) / extract(EPOCH FROM candle_step(complete_candles.base));
    END IF;
END
$$;

COMMENT ON FUNCTION complete_candles(text, text, text, timestamptz, timestamptz) IS
'The candles of [start, end): stored ones, or longer ones made of complete groups of stored ones, added up in order of time.';

REVOKE ALL ON FUNCTION candle_step FROM public;
REVOKE ALL ON FUNCTION candle_floor FROM public;
REVOKE ALL ON FUNCTION candle_ceil FROM public;
REVOKE ALL ON FUNCTION candles_between FROM public;
REVOKE ALL ON FUNCTION iso_utc FROM public;
REVOKE ALL ON FUNCTION short_utc FROM public;
REVOKE ALL ON FUNCTION base_timeframe FROM public;
REVOKE ALL ON FUNCTION readable_range FROM public;
REVOKE ALL ON FUNCTION missing_candles FROM public;
REVOKE ALL ON FUNCTION refuse_missing FROM public;
REVOKE ALL ON FUNCTION check_policies FROM public;
REVOKE ALL ON FUNCTION complete_candles FROM public;

DO $$
DECLARE
    reader text;
BEGIN
    FOREACH reader IN ARRAY ARRAY['market_writer', 'backtester'] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = reader) THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION candle_step, candle_floor, candle_ceil, candles_between, iso_utc, short_utc, base_timeframe, readable_range, missing_candles, refuse_missing, check_policies, complete_candles TO %I', reader);
        END IF;
    END LOOP;
END
$$;
