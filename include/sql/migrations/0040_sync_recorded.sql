-- A window's record says when this database wrote it down, by the clock that pins are stamped with, as 0035 did for revisions.
-- What an operator notices: the column recorded_at of data_sync_log; of records that are there, it is finished_at.

ALTER TABLE data_sync_log ADD COLUMN recorded_at timestamptz;

UPDATE data_sync_log SET recorded_at = finished_at;

ALTER TABLE data_sync_log
ALTER COLUMN recorded_at SET DEFAULT clock_timestamp(),
ALTER COLUMN recorded_at SET NOT NULL;

COMMENT ON COLUMN data_sync_log.finished_at IS 'When it ended, by the exchange''s clock.';
COMMENT ON COLUMN data_sync_log.recorded_at IS
'When the row was written, by this database''s clock. A pin goes by it: it has read the candles of windows up to its pinned_at, and of no later ones.';
