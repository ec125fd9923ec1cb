-- The months of some series, ended between since and until, of which candles are stored: what the project promises of each.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), since, until. Table: data_quality. Reads only.
SELECT
    quality.symbol,
    quality.timeframe,
    quality.date_range_start,
    quality.date_range_end
FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
INNER JOIN data_quality AS quality
    ON
        series.symbol = quality.symbol
        AND series.timeframe = quality.timeframe
        AND quality.period = 'month'
WHERE
    quality.actual_records > 0
    AND quality.date_range_end > %(since)s::timestamptz
    AND quality.date_range_end <= %(until)s::timestamptz
ORDER BY quality.symbol, quality.timeframe, quality.date_range_start;
