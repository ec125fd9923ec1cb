-- The archive files of some series that a second look concerns: those loaded since a moment, and those of the time after it.
-- Binds: symbols, timeframes (text[]; entry i of both names a series), since. Table: archive_file. Reads only.
SELECT
    file.symbol,
    file.timeframe,
    file.url,
    file.covers_start,
    file.covers_end,
    file.last_modified,
    file.loaded_at
FROM unnest(%(symbols)s::text[], %(timeframes)s::text[]) AS series (symbol, timeframe)
INNER JOIN archive_file AS file ON series.symbol = file.symbol AND series.timeframe = file.timeframe
WHERE file.loaded_at >= %(since)s::timestamptz OR file.covers_end > %(since)s::timestamptz
ORDER BY file.symbol, file.timeframe, file.covers_start;
