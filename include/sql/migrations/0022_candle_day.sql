-- What the candles of each day come to, kept, so that a measurement reads only days that changed.
-- What an operator notices: candle_day, about a fiftieth of the size of 1h candles, filled by measurements. A load after which nobody
-- measures, and a candle inserted by hand, are noticed where a measurement covers their days; changes and deletions always.

CREATE TABLE candle_day (
    symbol text NOT NULL,
    timeframe text NOT NULL,
    day timestamptz NOT NULL,
    candles integer NOT NULL,
    open double precision,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision,
    highest_close double precision NOT NULL,
    lowest_close double precision NOT NULL,
    volume double precision NOT NULL,
    trades bigint NOT NULL,
    standing integer NOT NULL,
    PRIMARY KEY (symbol, timeframe, day),
    CONSTRAINT day_is_a_midnight CHECK (date_bin('1 day', day, '1970-01-01 00:00+00') = day),
    CONSTRAINT a_day_has_candles CHECK (candles > 0 AND standing BETWEEN 0 AND candles)
);

COMMENT ON TABLE candle_day IS
'What the stored candles of a series and day (UTC) come to, for timeframes below 1d; made by measurements. No row: not known, or no candle. Goes when a candle of its day changes.';
COMMENT ON COLUMN candle_day.symbol IS 'Base asset.';
COMMENT ON COLUMN candle_day.timeframe IS 'Candle length, below 1d.';
COMMENT ON COLUMN candle_day.day IS 'Midnight (UTC) that begins the day.';
COMMENT ON COLUMN candle_day.candles IS 'Stored candles.';
COMMENT ON COLUMN candle_day.open IS 'Open of the candle of 00:00; null where it is missing.';
COMMENT ON COLUMN candle_day.high IS 'Highest price.';
COMMENT ON COLUMN candle_day.low IS 'Lowest price.';
COMMENT ON COLUMN candle_day.close IS 'Close of the last candle of the day; null where it is missing.';
COMMENT ON COLUMN candle_day.highest_close IS 'Highest close.';
COMMENT ON COLUMN candle_day.lowest_close IS 'Lowest close.';
COMMENT ON COLUMN candle_day.volume IS 'Sum of volume.';
COMMENT ON COLUMN candle_day.trades IS 'Sum of trades.';
COMMENT ON COLUMN candle_day.standing IS 'Candles without volume whose high is their low.';

-- In PL/pgSQL, because RETURN QUERY reads with several processes, which an INSERT … SELECT does not; a timeframe and year at a time,
-- so that the groups stay in memory and no row is asked for its timeframe's length.
CREATE FUNCTION candle_days(symbols text[], timeframes text[], starts timestamptz, ends timestamptz)
RETURNS SETOF candle_day
LANGUAGE plpgsql STABLE
SET timezone = 'UTC'
SET plan_cache_mode = force_custom_plan
SET enable_sort = off
SET enable_incremental_sort = off
SET random_page_cost = 1.1
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    -- each once: a name that is said twice makes the planner expect twice the rows, and read the whole year
    wanted_symbols text[] := ARRAY(SELECT DISTINCT unnest(candle_days.symbols));
    wanted_timeframe text;
    year_start timestamptz;
    year_end timestamptz;
    last_open interval;
    takes_all boolean;
BEGIN
    FOR wanted_timeframe IN SELECT DISTINCT name FROM unnest(candle_days.timeframes) AS asked (name) WHERE name <> '1d' LOOP
        last_open := interval '1 day' - timeframe_step(wanted_timeframe);
        -- to look each candle's symbol up among hundreds costs as much as to add it up
        takes_all := candle_days.ends - candle_days.starts > interval '90 days' AND NOT EXISTS (
            SELECT FROM historical_data_range WHERE timeframe = wanted_timeframe AND symbol <> ALL (wanted_symbols)
        );
        year_start := candle_days.starts;
        WHILE year_start < candle_days.ends LOOP
            year_end := least(candle_days.ends, date_trunc('year', year_start) + interval '1 year');
            RETURN QUERY
            SELECT
                candle.symbol,
                wanted_timeframe,
                candle.day,
                count(*)::integer,
                max(candle.open) FILTER (WHERE candle.timestamp = candle.day),
                max(candle.high),
                min(candle.low),
                max(candle.close) FILTER (WHERE candle.timestamp = candle.day + last_open),
                max(candle.close),
                min(candle.close),
                sum(candle.volume),
                sum(candle.trades)::bigint,
                (count(*) FILTER (WHERE candle.volume = 0 AND candle.high = candle.low))::integer
            FROM (
                SELECT
                    symbol, timestamp, open, high, low, close, volume, trades,
                    date_bin('1 day', timestamp, '1970-01-01 00:00+00') AS day
                FROM market_data
                WHERE
                    timeframe = wanted_timeframe AND timestamp >= year_start AND timestamp < year_end
                    AND (takes_all OR symbol = ANY (wanted_symbols))
            ) AS candle
            GROUP BY candle.symbol, candle.day;
            year_start := year_end;
        END LOOP;
    END LOOP;
END
$$;

COMMENT ON FUNCTION candle_days(text[], text[], timestamptz, timestamptz) IS
'The rows of candle_day as the stored candles of [starts, ends) say now, for symbols × timeframes below 1d, and possibly for more symbols; both ends are midnights (UTC).';

CREATE FUNCTION stored_candles(wanted_symbol text, wanted_timeframe text, starts timestamptz, ends timestamptz)
RETURNS TABLE (candles bigint)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(kept.candles, 0) + coalesce(counted.candles, 0)
    FROM (
        SELECT
            date_bin('1 day', starts + interval '1 day' - interval '1 microsecond', '1970-01-01 00:00+00') AS first_day,
            date_bin('1 day', ends, '1970-01-01 00:00+00') AS last_day
    ) AS whole
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN count(*) * interval '1 day' = whole.last_day - whole.first_day THEN sum(candle_day.candles)::bigint END AS candles
        FROM candle_day
        WHERE
            candle_day.symbol = wanted_symbol AND candle_day.timeframe = wanted_timeframe
            AND candle_day.day >= whole.first_day AND candle_day.day < whole.last_day
    ) AS kept
    CROSS JOIN LATERAL (
        SELECT sum(part.candles)::bigint AS candles
        FROM (
            VALUES
            (starts, CASE WHEN kept.candles IS NULL THEN ends ELSE whole.first_day END),
            (CASE WHEN kept.candles IS NULL THEN ends ELSE whole.last_day END, ends)
        ) AS edge (starts_at, ends_at)
        CROSS JOIN LATERAL (
            SELECT count(*) AS candles
            FROM market_data AS candle
            WHERE
                edge.starts_at < edge.ends_at
                AND candle.symbol = wanted_symbol AND candle.timeframe = wanted_timeframe
                AND candle.timestamp >= edge.starts_at AND candle.timestamp < edge.ends_at
        ) AS part
    ) AS counted
$$;

COMMENT ON FUNCTION stored_candles(text, text, timestamptz, timestamptz) IS
'How many candles of a series [starts, ends) holds: the sum of candle_day where all of its whole days are kept there, only the edges counted; else counted.';

-- As in 0001, but not STRICT, which kept it from being inlined: a call cost as much as reading ten candles.
CREATE OR REPLACE FUNCTION timeframe_step(timeframe text) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE timeframe
    WHEN '1m' THEN interval '1 minute' WHEN '5m' THEN interval '5 minutes' WHEN '15m' THEN interval '15 minutes'
    WHEN '1h' THEN interval '1 hour' WHEN '4h' THEN interval '4 hours' WHEN '1d' THEN interval '1 day'
END;

-- As in 0008, but the month that is known is looked up, not joined: all months of all years were read for the newest one.
CREATE OR REPLACE FUNCTION expected_pieces(symbols text[], timeframes text[], starts timestamptz, ends timestamptz, clock timestamptz)
RETURNS TABLE (
    symbol text, timeframe text, step interval, month timestamptz, range_start timestamptz, range_end timestamptz,
    piece_start timestamptz, piece_end timestamptz, is_counted_full boolean
)
LANGUAGE sql STABLE
AS $$
    SELECT
        series.symbol, series.timeframe, series.step, asked.month, promised.range_start, promised.range_end,
        greatest(promised.range_start, series.span_start), least(promised.range_end, series.span_end), promised.is_counted_full
    FROM listing_spans(symbols, timeframes) AS series
    CROSS JOIN LATERAL (
        SELECT
            calendar.month AT TIME ZONE 'UTC' AS month,
            (calendar.month + interval '1 month') AT TIME ZONE 'UTC' AS next_month,
            greatest(
                calendar.month AT TIME ZONE 'UTC',
                date_bin(series.step, starts + series.step - interval '1 microsecond', '1970-01-01 00:00+00')
            ) AS range_start,
            least(
                (calendar.month + interval '1 month') AT TIME ZONE 'UTC',
                date_bin(series.step, ends + series.step - interval '1 microsecond', '1970-01-01 00:00+00'),
                date_bin(series.step, clock, '1970-01-01 00:00+00')
            ) AS range_end
        FROM generate_series(
            date_trunc('month', greatest(starts, series.span_start) AT TIME ZONE 'UTC'),
            (least(ends, clock, series.span_end) - interval '1 microsecond') AT TIME ZONE 'UTC',
            interval '1 month'
        ) AS calendar (month)
    ) AS asked
    LEFT JOIN LATERAL (
        SELECT quality.date_range_start, quality.date_range_end, quality.checked_at, quality.missing_records
        FROM data_quality AS quality
        WHERE
            quality.symbol = series.symbol AND quality.timeframe = series.timeframe AND quality.period = 'month'
            AND quality.date_range_start >= asked.month AND quality.date_range_start < asked.next_month
        ORDER BY quality.date_range_start
        LIMIT 1
    ) AS known ON TRUE
    CROSS JOIN LATERAL (
        SELECT
            least(asked.range_start, known.date_range_start) AS range_start,
            greatest(asked.range_end, known.date_range_end) AS range_end,
            coalesce(
                known.checked_at = clock AND known.missing_records = 0
                AND known.date_range_start <= asked.range_start AND known.date_range_end >= asked.range_end, FALSE
            ) AS is_counted_full
    ) AS promised
    WHERE
        asked.range_start < asked.range_end
        AND greatest(promised.range_start, series.span_start) < least(promised.range_end, series.span_end)
$$;

CREATE OR REPLACE FUNCTION touch_fingerprints(symbol text, timeframe text, start timestamptz, "end" timestamptz) RETURNS void
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
    DELETE FROM candle_day
    WHERE symbol = touch_fingerprints.symbol AND timeframe = touch_fingerprints.timeframe
        AND day > start - interval '1 day' AND day < "end";
END
$$;

COMMENT ON FUNCTION touch_fingerprints(text, text, timestamptz, timestamptz) IS
'Forgets the digests of the months and the rows of candle_day that [start, end) touches. A load calls it for its window, in the transaction that stores the candles.';

CREATE OR REPLACE FUNCTION forget_fingerprint() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- the lock of load/lock_series.sql: a measurement that is reading this day keeps what it found before it is forgotten
    PERFORM pg_advisory_xact_lock(hashtextextended('market_data ' || OLD.symbol || ' ' || OLD.timeframe, 0));
    INSERT INTO public.series_fingerprint (symbol, timeframe, month)
    VALUES (OLD.symbol, OLD.timeframe, date_trunc('month', OLD.timestamp AT TIME ZONE 'UTC'))
    ON CONFLICT (symbol, timeframe, month) DO UPDATE SET candles = NULL, digest = NULL, computed_at = NULL
    WHERE series_fingerprint.digest IS NOT NULL;
    DELETE FROM public.candle_day AS known
    WHERE known.symbol = OLD.symbol AND known.timeframe = OLD.timeframe
        AND known.day = date_bin('1 day', OLD.timestamp, '1970-01-01 00:00+00');
    IF TG_OP = 'UPDATE' AND (NEW.symbol, NEW.timeframe, NEW.timestamp) IS DISTINCT FROM (OLD.symbol, OLD.timeframe, OLD.timestamp) THEN
        PERFORM public.touch_fingerprints(NEW.symbol, NEW.timeframe, NEW.timestamp, NEW.timestamp + interval '1 microsecond');
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION forget_fingerprint() IS 'Trigger: a candle that is changed or deleted voids the digest of its month and the row of its day in candle_day.';

REVOKE ALL ON FUNCTION candle_days(text[], text[], timestamptz, timestamptz) FROM public;
REVOKE ALL ON FUNCTION stored_candles(text, text, timestamptz, timestamptz) FROM public;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON candle_day TO market_writer;
        GRANT EXECUTE ON FUNCTION
            candle_days(text[], text[], timestamptz, timestamptz),
            stored_candles(text, text, timestamptz, timestamptz)
        TO market_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'backtester') THEN
        GRANT SELECT ON candle_day TO backtester;
        GRANT EXECUTE ON FUNCTION
            candle_days(text[], text[], timestamptz, timestamptz),
            stored_candles(text, text, timestamptz, timestamptz)
        TO backtester;
    END IF;
END
$$;
