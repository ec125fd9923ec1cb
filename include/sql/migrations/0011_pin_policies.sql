-- A pin remembers how its data were read, so that they can be read again the same way.
-- What an operator notices: two more columns of dataset_pin; pins made before are of the usual policies.

ALTER TABLE dataset_pin
ADD COLUMN on_gap text NOT NULL DEFAULT 'raise',
ADD COLUMN on_outage text NOT NULL DEFAULT 'mask',
ADD CONSTRAINT on_gap_is_a_policy CHECK (on_gap IN ('raise', 'mask', 'drop')),
ADD CONSTRAINT on_outage_is_a_policy CHECK (on_outage IN ('mask', 'drop', 'ffill'));

COMMENT ON COLUMN dataset_pin.on_gap IS 'What the read does with candles missing without an explanation; part of the fingerprint.';
COMMENT ON COLUMN dataset_pin.on_outage IS 'What the read does with explained holes; part of the fingerprint.';
