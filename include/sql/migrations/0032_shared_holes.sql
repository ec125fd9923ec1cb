-- Shared holes are looked for only where two pairs have holes at all.
-- What an operator notices: nothing but time. The statement was planned over every partition at each call, which a database with
-- years of 1m made ten times as dear, and a day without a hole paid for it too.

CREATE OR REPLACE FUNCTION shared_holes(wanted text, starts timestamptz, ends timestamptz)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz, symbols text[])
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_custom_plan
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    holed integer := (
        SELECT count(DISTINCT gap.symbol)
        FROM data_gap AS gap
        WHERE
            gap.timeframe = wanted AND gap.resolved_at IS NULL AND gap.cause <> 'pruned' AND gap.rest_empty_on <> '{}'
            AND gap.gap_start < ends AND gap.gap_end > starts
    );
BEGIN
    IF holed < 2 THEN
        RETURN;
    END IF;
    RETURN QUERY
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
    HAVING count(*) >= 2;
END
$$;
