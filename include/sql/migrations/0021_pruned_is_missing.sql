-- A read of pruned candles is refused like any other hole that can be mended, and the hint is the command that brings them back.
-- What an operator notices: ohlcv() raises KL001 over pruned candles instead of masking them; on_gap masks or drops them.

CREATE OR REPLACE FUNCTION missing_candles(symbol text, timeframe text, base text, start timestamptz, "end" timestamptz)
RETURNS TABLE (opened timestamptz, cause text, is_explained boolean)
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    causes CONSTANT text[] := ARRAY['open', 'not_published', 'not_closed', 'pruned', 'exchange_outage', 'suspension'];
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
        -- a longer candle is missing for the first cause that can be mended, else for the last one of the others
        SELECT
            candle_floor(explained.opened, missing_candles.timeframe) AS opened,
            coalesce(min(explained.code) FILTER (WHERE explained.code < 5), max(explained.code)) AS code
        FROM explained
        GROUP BY candle_floor(explained.opened, missing_candles.timeframe)
    )
    SELECT grouped.opened, causes[grouped.code], grouped.code >= 5 FROM grouped ORDER BY grouped.opened;
END
$$;

CREATE OR REPLACE FUNCTION refuse_missing(symbol text, timeframe text, base text, start timestamptz, "end" timestamptz) RETURNS void
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
        min(starts) FILTER (WHERE cause NOT IN ('not_closed', 'pruned')) AS first_open,
        max(ends) FILTER (WHERE cause NOT IN ('not_closed', 'pruned')) AS last_end,
        min(starts) FILTER (WHERE cause = 'pruned') AS first_pruned,
        max(ends) FILTER (WHERE cause = 'pruned') AS last_pruned
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
            HINT = coalesce(
                nullif(concat_ws(
                    ' ',
                    CASE WHEN found.first_open IS NOT NULL THEN format(
                            'Load them with the Dag klines_initial_load, in a shell: airflow dags trigger klines_initial_load --conf ''{"symbols": ["%s"], "timeframes": ["%s"], "start": "%s", "end": "%s"}''',
                            refuse_missing.symbol, refuse_missing.base,
                            to_char(found.first_open AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
                            to_char((found.last_end - interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                        ) END,
                    CASE WHEN found.first_pruned IS NOT NULL THEN format(
                        'Bring back what was pruned, where Airflow runs: python -m include.klines.restore --symbols %s --timeframes %s --start %s --end %s',
                        refuse_missing.symbol, refuse_missing.base,
                        to_char(found.first_pruned AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
                        to_char((found.last_pruned - interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                    ) END
                ), ''),
                'These candles have not closed yet: end the range before them.'
            );
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION coverage(symbol text, timeframe text, start timestamptz, "end" timestamptz)
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
            count(*) FILTER (WHERE is_explained OR cause = 'pruned') AS unfillable
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

COMMENT ON FUNCTION ohlcv(text, text, timestamptz, timestamptz, text, text) IS
'Candles with start <= open time < end, continuous, or an error that says what is missing and which command loads it or brings it back. on_gap (missing without an explanation, or pruned): raise, mask (nulls), drop. on_outage (never existed): mask, drop, ffill (price carried, volume 0, is_filled true). missing_cause says why a row has no candle. A timeframe that is not stored (30m 2h 6h 8h 12h 1w, or any stored one the symbol lacks) is made of complete groups, with a notice.';
