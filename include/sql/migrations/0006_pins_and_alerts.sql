-- Data that prune must never touch, and promises about time that were missed.
-- What an operator notices: the initial window of 1h and 1d is pinned from the start; deleting those two rows lifts it.

CREATE TABLE dataset_pin (
    name text PRIMARY KEY,
    symbols text[],
    timeframe text NOT NULL,
    range_start timestamptz NOT NULL,
    range_end timestamptz NOT NULL,
    fingerprint text,
    note text,
    pinned_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT a_pin_ends_after_it_starts CHECK (range_start < range_end)
);

COMMENT ON TABLE dataset_pin IS 'Datasets that stay: the monthly prune never removes a candle inside one.';
COMMENT ON COLUMN dataset_pin.name IS 'Name given by whoever pinned it.';
COMMENT ON COLUMN dataset_pin.symbols IS 'Base assets; null pins every symbol.';
COMMENT ON COLUMN dataset_pin.timeframe IS 'Candle length.';
COMMENT ON COLUMN dataset_pin.range_start IS 'Start of the pinned range.';
COMMENT ON COLUMN dataset_pin.range_end IS 'End of the pinned range (exclusive).';
COMMENT ON COLUMN dataset_pin.fingerprint IS 'Fingerprint of the rows on the day of pinning; null where the pin is a promise about rows not yet loaded.';
COMMENT ON COLUMN dataset_pin.note IS 'Why it is pinned.';
COMMENT ON COLUMN dataset_pin.pinned_at IS 'When it was pinned.';

INSERT INTO dataset_pin (name, symbols, timeframe, range_start, range_end, note)
VALUES
('initial-window-1h', NULL, '1h', '2020-01-01 00:00+00', '2025-10-01 00:00+00', 'The initial load; an operator may lift it.'),
('initial-window-1d', NULL, '1d', '2020-01-01 00:00+00', '2025-10-01 00:00+00', 'The initial load; an operator may lift it.');

CREATE TABLE sla_miss (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what text NOT NULL,
    symbol text,
    timeframe text,
    detail text NOT NULL,
    missed_at timestamptz NOT NULL,
    cleared_at timestamptz,
    last_sent_at timestamptz,
    CONSTRAINT a_miss_clears_after_it_happens CHECK (cleared_at >= missed_at)
);

CREATE UNIQUE INDEX sla_miss_is_open_once ON sla_miss (what, coalesce(symbol, ''), coalesce(timeframe, '')) WHERE cleared_at IS NULL;

COMMENT ON TABLE sla_miss IS 'Promises about time and completeness that were broken, and when they held again.';
COMMENT ON COLUMN sla_miss.id IS 'Order of writing.';
COMMENT ON COLUMN sla_miss.what IS 'Which promise: a late run, completeness, last sync …';
COMMENT ON COLUMN sla_miss.symbol IS 'Base asset; null where it is not about one.';
COMMENT ON COLUMN sla_miss.timeframe IS 'Candle length; null where it is not about one.';
COMMENT ON COLUMN sla_miss.detail IS 'What was missed and what mends it, in a sentence.';
COMMENT ON COLUMN sla_miss.missed_at IS 'When it was noticed.';
COMMENT ON COLUMN sla_miss.cleared_at IS 'When it held again; null while it does not.';
COMMENT ON COLUMN sla_miss.last_sent_at IS 'When somebody was last told.';
