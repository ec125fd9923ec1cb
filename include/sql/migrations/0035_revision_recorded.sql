-- A revision says when this database wrote it down, by the clock that pins are stamped with.
-- What an operator notices: the column recorded_at of market_data_revision; of revisions that are there, it is revised_at.

ALTER TABLE market_data_revision ADD COLUMN recorded_at timestamptz;

UPDATE market_data_revision SET recorded_at = revised_at;

ALTER TABLE market_data_revision
ALTER COLUMN recorded_at SET DEFAULT clock_timestamp(),
ALTER COLUMN recorded_at SET NOT NULL;

COMMENT ON COLUMN market_data_revision.revised_at IS 'When the stored candle was changed, by the exchange''s clock; as_of goes by it.';
COMMENT ON COLUMN market_data_revision.recorded_at IS
'When the row was written, by this database''s clock. A pin goes by it: revisions up to its pinned_at were read by it, later ones were not.';
COMMENT ON COLUMN dataset_pin.pinned_at IS 'When it was pinned, by this database''s clock.';
