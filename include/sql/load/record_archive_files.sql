-- Remembers the archive files whose candles were stored, as they were. `files` is a JSON list of
-- {url, sha256, last_modified, rows, covers_start, covers_end}.
-- Binds: files, symbol, timeframe, clock. Table: archive_file. A second run is safe.
INSERT INTO archive_file AS known (
    url, symbol, timeframe, covers_start, covers_end, sha256, last_modified, rows, loaded_at
)
SELECT
    file.url,
    %(symbol)s::text,
    %(timeframe)s::text,
    file.covers_start,
    file.covers_end,
    file.sha256,
    file.last_modified,
    file.rows,
    %(clock)s::timestamptz
FROM
    jsonb_to_recordset(%(files)s::jsonb)
        AS file (
            url text, sha256 text, last_modified timestamptz, rows bigint, covers_start timestamptz, covers_end timestamptz
        )
ON CONFLICT (url) DO UPDATE SET
    sha256 = excluded.sha256,
    last_modified = excluded.last_modified,
    rows = excluded.rows,
    loaded_at = excluded.loaded_at;
