-- A measurement asks for the listings of all its series at once, counts only at edges that there are, finds the few days with something to
-- look into without reading the others, and the months of a series by their key.
-- What an operator notices: a measurement after a daily run takes half the time. The migration makes three small indexes, in a second, and
-- drops data_quality_by_period.

-- As in 0008, but grouped: three looks into indexes for each series, four times a measurement, were a tenth of it.
CREATE OR REPLACE FUNCTION listing_spans(symbols text[], timeframes text[])
RETURNS TABLE (symbol text, timeframe text, step interval, span_start timestamptz, span_end timestamptz)
LANGUAGE sql STABLE
AS $$
    SELECT merged.symbol, merged.timeframe, timeframe_step(merged.timeframe), lower(merged.span), upper(merged.span)
    FROM (
        SELECT known.symbol, known.timeframe, unnest(range_agg(known.span)) AS span
        FROM (
            SELECT
                series.symbol,
                series.timeframe,
                tstzrange(
                    date_bin(timeframe_step(series.timeframe), listing.listed_at, '1970-01-01 00:00+00'),
                    coalesce(
                        date_bin(
                            timeframe_step(series.timeframe),
                            listing.delisted_at + timeframe_step(series.timeframe) - interval '1 microsecond',
                            '1970-01-01 00:00+00'
                        ),
                        'infinity'
                    )
                ) AS span
            FROM unnest(symbols, timeframes) AS series (symbol, timeframe)
            INNER JOIN symbol_listing AS listing ON listing.symbol = series.symbol
            WHERE listing.listed_at IS NOT NULL
            UNION ALL
            SELECT series.symbol, series.timeframe, tstzrange(stored.earliest_date, 'infinity')
            FROM unnest(symbols, timeframes) AS series (symbol, timeframe)
            INNER JOIN historical_data_range AS stored
                ON stored.symbol = series.symbol AND stored.timeframe = series.timeframe
            WHERE NOT EXISTS (
                SELECT FROM symbol_listing AS listing
                WHERE listing.symbol = series.symbol AND listing.listed_at IS NOT NULL
            )
        ) AS known
        GROUP BY known.symbol, known.timeframe
    ) AS merged
$$;

-- As in 0022, but an edge that is empty is not looked for, nor a day of 1d, of which nothing is kept.
CREATE OR REPLACE FUNCTION stored_candles(wanted_symbol text, wanted_timeframe text, starts timestamptz, ends timestamptz)
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
            wanted_timeframe <> '1d'
            AND candle_day.symbol = wanted_symbol AND candle_day.timeframe = wanted_timeframe
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
                candle.symbol = wanted_symbol AND candle.timeframe = wanted_timeframe
                AND candle.timestamp >= edge.starts_at AND candle.timestamp < edge.ends_at
        ) AS part
        WHERE edge.starts_at < edge.ends_at
    ) AS counted
$$;

-- As in 0022, but no interval and no numeric is made of each candle: a tenth of the pass. A day's trades are far below 2^53, so their
-- sum is exact.
CREATE OR REPLACE FUNCTION candle_days(symbols text[], timeframes text[], starts timestamptz, ends timestamptz)
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
    last_open timestamptz;
    takes_all boolean;
BEGIN
    FOR wanted_timeframe IN SELECT DISTINCT name FROM unnest(candle_days.timeframes) AS asked (name) WHERE name <> '1d' LOOP
        last_open := timestamptz '1970-01-02 00:00+00' - timeframe_step(wanted_timeframe);
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
                max(candle.close) FILTER (WHERE candle.timestamp = date_bin('1 day', candle.timestamp, last_open)),
                max(candle.close),
                min(candle.close),
                sum(candle.volume),
                sum(candle.trades::double precision)::bigint,
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

CREATE INDEX candle_day_wide ON candle_day (day) WHERE highest_close > 1.2 * lowest_close;
CREATE INDEX candle_day_standing ON candle_day (day) WHERE standing > 0;

-- months are looked up by their key, or read as a whole; beside it, the planner took this one for the newest month of one series, of which
-- it expects a single row, and read that month of all series 900 times
DROP INDEX data_quality_by_period;
CREATE INDEX data_quality_rolling ON data_quality (period, timeframe) WHERE period <> 'month';
