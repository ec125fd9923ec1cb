-- The rules of the reader in SQL, continued: which candles are missing, why, and what makes a longer candle complete.
-- What an operator notices: nothing; 0014_ohlcv makes the functions for backtesters of these.

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
            EXECUTE format('GRANT EXECUTE ON FUNCTION missing_candles, refuse_missing, check_policies, complete_candles TO %I', reader);
        END IF;
    END LOOP;
END
$$;
