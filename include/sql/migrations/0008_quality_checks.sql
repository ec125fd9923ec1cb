-- What is expected of a series, which holes pairs share, and what looks wrong in stored candles.
-- What an operator notices: data_anomaly lists implausible candles; every measurement uses one definition of "expected".

CREATE TABLE data_anomaly (
    check_name text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    timestamp timestamptz NOT NULL,
    severity text NOT NULL,
    detail text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_checked timestamptz NOT NULL,
    PRIMARY KEY (check_name, symbol, timeframe, timestamp),
    CONSTRAINT severity_is_known CHECK (severity IN ('fail', 'warn'))
);

CREATE INDEX data_anomaly_by_series ON data_anomaly (symbol, timeframe, timestamp);

COMMENT ON TABLE data_anomaly IS
'Stored candles that a check found implausible, as of the last measurement of their month; a finding that is gone is deleted.';
COMMENT ON COLUMN data_anomaly.check_name IS 'The check: a file of include/sql/quality/anomalies.';
COMMENT ON COLUMN data_anomaly.symbol IS 'Base asset.';
COMMENT ON COLUMN data_anomaly.timeframe IS 'Candle length.';
COMMENT ON COLUMN data_anomaly.timestamp IS 'Open time of the candle, or of the first one of a run.';
COMMENT ON COLUMN data_anomaly.severity IS 'fail: the candle is wrong. warn: it is unusual, and a person should look.';
COMMENT ON COLUMN data_anomaly.detail IS 'What was found, in words and numbers.';
COMMENT ON COLUMN data_anomaly.first_seen IS 'When it was first found.';
COMMENT ON COLUMN data_anomaly.last_checked IS 'When it was last found.';

COMMENT ON COLUMN data_quality.has_anomalies IS 'True where a check of severity fail found something in the range; see data_anomaly.';
COMMENT ON COLUMN data_quality.date_range_start IS 'Start of the range: of what was asked for in that month, or of the rolling days.';

CREATE FUNCTION listing_spans(symbols text[], timeframes text[])
RETURNS TABLE (symbol text, timeframe text, step interval, span_start timestamptz, span_end timestamptz)
LANGUAGE sql STABLE
AS $$
    SELECT series.symbol, series.timeframe, timeframe_step(series.timeframe), lower(merged.span), upper(merged.span)
    FROM unnest(symbols, timeframes) AS series (symbol, timeframe)
    CROSS JOIN LATERAL (
        SELECT unnest(range_agg(known.span)) AS span
        FROM (
            SELECT
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
            FROM symbol_listing AS listing
            WHERE listing.symbol = series.symbol AND listing.listed_at IS NOT NULL
            UNION ALL
            SELECT tstzrange(stored.earliest_date, 'infinity')
            FROM historical_data_range AS stored
            WHERE
                stored.symbol = series.symbol AND stored.timeframe = series.timeframe
                AND NOT EXISTS (
                    SELECT FROM symbol_listing AS listing
                    WHERE listing.symbol = series.symbol AND listing.listed_at IS NOT NULL
                )
        ) AS known
    ) AS merged
$$;

COMMENT ON FUNCTION listing_spans(text[], text[]) IS
'When candles of the series (symbols[i], timeframes[i]) are expected: grid opens t with span_start <= t < span_end, from listing to delisting, several spans for a reused ticker. A pair whose listing is not known yet counts from its first stored candle.';

CREATE FUNCTION expected_pieces(symbols text[], timeframes text[], starts timestamptz, ends timestamptz, clock timestamptz)
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
    LEFT JOIN data_quality AS known
        ON known.symbol = series.symbol AND known.timeframe = series.timeframe AND known.period = 'month'
        AND known.date_range_start >= asked.month AND known.date_range_start < asked.next_month
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

COMMENT ON FUNCTION expected_pieces(text[], text[], timestamptz, timestamptz, timestamptz) IS
'For each calendar month (UTC) that [starts, ends) touches: the range the project promises (what is asked for now and what data_quality remembers from before, closed by clock) and its pieces inside a listing. is_counted_full: counted at this clock and nothing missing.';

CREATE FUNCTION shared_holes(wanted text, starts timestamptz, ends timestamptz)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz, symbols text[])
LANGUAGE sql STABLE
AS $$
    WITH holes AS (
        SELECT gap.symbol, unnest(range_agg(tstzrange(gap.gap_start, gap.gap_end))) AS hole
        FROM data_gap AS gap
        WHERE
            gap.timeframe = wanted AND gap.resolved_at IS NULL AND gap.cause <> 'pruned' AND gap.rest_empty_on <> '{}'
            AND gap.gap_start < ends AND gap.gap_end > starts
        GROUP BY gap.symbol
    ),

    bounded AS MATERIALIZED (
        SELECT holes.symbol, holes.hole
        FROM holes
        CROSS JOIN LATERAL (
            SELECT FROM market_data AS candle
            WHERE
                candle.symbol = holes.symbol AND candle.timeframe = wanted
                AND candle.timestamp = lower(holes.hole) - timeframe_step(wanted)
            LIMIT 1
        ) AS candle_before
        CROSS JOIN LATERAL (
            SELECT FROM market_data AS candle
            WHERE candle.symbol = holes.symbol AND candle.timeframe = wanted AND candle.timestamp = upper(holes.hole)
            LIMIT 1
        ) AS candle_after
    ),

    edges AS (
        SELECT lower(bounded.hole) AS edge FROM bounded
        UNION
        SELECT upper(bounded.hole) FROM bounded
    ),

    slices AS (
        SELECT tstzrange(edges.edge, lead(edges.edge) OVER (ORDER BY edges.edge)) AS slice FROM edges
    ),

    missed_by_two AS (
        SELECT slices.slice
        FROM slices
        INNER JOIN bounded ON bounded.hole @> slices.slice
        GROUP BY slices.slice
        HAVING count(*) >= 2
    ),

    missed_by_all AS (
        SELECT unnest(range_agg(missed_by_two.slice)) AS slice
        FROM missed_by_two
        WHERE NOT EXISTS (
            SELECT
            FROM historical_data_range AS stored
            CROSS JOIN LATERAL (
                SELECT FROM market_data AS candle
                WHERE
                    candle.symbol = stored.symbol AND candle.timeframe = wanted
                    AND candle.timestamp >= lower(missed_by_two.slice) AND candle.timestamp < upper(missed_by_two.slice)
                LIMIT 1
            ) AS candle_inside
            WHERE
                stored.timeframe = wanted
                AND stored.earliest_date < upper(missed_by_two.slice) AND stored.latest_date >= lower(missed_by_two.slice)
        )
    )

    SELECT lower(missed_by_all.slice), upper(missed_by_all.slice), array_agg(bounded.symbol ORDER BY bounded.symbol)
    FROM missed_by_all
    INNER JOIN bounded
        ON bounded.hole @> missed_by_all.slice
        AND lower(bounded.hole) >= lower(missed_by_all.slice) - interval '1 day'
        AND upper(bounded.hole) <= upper(missed_by_all.slice) + interval '1 day'
    GROUP BY missed_by_all.slice
    HAVING count(*) >= 2
$$;

COMMENT ON FUNCTION shared_holes(text, timestamptz, timestamptz) IS
'Spans of a timeframe that at least two symbols miss and none has: each witness was confirmed empty by REST and has a candle right before and right after a hole that reaches at most a day beyond the span.';

REVOKE EXECUTE ON FUNCTION listing_spans(text[], text[]) FROM public;
REVOKE EXECUTE ON FUNCTION expected_pieces(text[], text[], timestamptz, timestamptz, timestamptz) FROM public;
REVOKE EXECUTE ON FUNCTION shared_holes(text, timestamptz, timestamptz) FROM public;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON data_anomaly TO market_writer;
        GRANT EXECUTE ON FUNCTION
            listing_spans(text[], text[]),
            expected_pieces(text[], text[], timestamptz, timestamptz, timestamptz),
            shared_holes(text, timestamptz, timestamptz)
        TO market_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'backtester') THEN
        GRANT SELECT ON data_anomaly TO backtester;
        GRANT EXECUTE ON FUNCTION
            listing_spans(text[], text[]), expected_pieces(text[], text[], timestamptz, timestamptz, timestamptz),
            shared_holes(text, timestamptz, timestamptz)
        TO backtester;
    END IF;
END
$$;
