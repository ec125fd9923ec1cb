-- How complete the data are, and why a candle is missing.
-- What an operator notices: every load ends by measuring; holes carry a cause.

CREATE TABLE exchange_outage (
    timeframe text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    source text NOT NULL,
    evidence text NOT NULL,
    discovered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (timeframe, starts_at),
    CONSTRAINT an_outage_ends_after_it_starts CHECK (starts_at < ends_at)
);

COMMENT ON TABLE exchange_outage IS 'Spans in which the exchange has no candle for any pair that traded around them; discovered, never typed in.';
COMMENT ON COLUMN exchange_outage.timeframe IS 'Candle length at which it was seen: a span of 1h candles hides outages inside an hour.';
COMMENT ON COLUMN exchange_outage.starts_at IS 'Open time of the first missing candle.';
COMMENT ON COLUMN exchange_outage.ends_at IS 'End of the last missing candle.';
COMMENT ON COLUMN exchange_outage.source IS 'How it was found: stored candles, or the exchange asked for witnesses.';
COMMENT ON COLUMN exchange_outage.evidence IS 'Which pairs miss it, in a sentence.';
COMMENT ON COLUMN exchange_outage.discovered_at IS 'When it was found.';

CREATE TABLE data_gap (
    symbol text NOT NULL,
    timeframe text NOT NULL,
    gap_start timestamptz NOT NULL,
    gap_end timestamptz NOT NULL,
    missing_records bigint NOT NULL,
    cause text NOT NULL DEFAULT 'open',
    attempts integer NOT NULL DEFAULT 0,
    rest_empty_on date[] NOT NULL DEFAULT '{}',
    archive_empty_on date[] NOT NULL DEFAULT '{}',
    first_seen timestamptz NOT NULL,
    last_checked timestamptz NOT NULL,
    resolved_at timestamptz,
    PRIMARY KEY (symbol, timeframe, gap_start, gap_end),
    CONSTRAINT a_gap_ends_after_it_starts CHECK (gap_start < gap_end),
    CONSTRAINT a_gap_misses_something CHECK (missing_records > 0),
    CONSTRAINT cause_is_known CHECK (cause IN ('open', 'exchange_outage', 'suspension', 'not_published', 'pruned'))
);

CREATE INDEX data_gap_unresolved ON data_gap (timeframe, gap_start, gap_end) WHERE resolved_at IS NULL;

COMMENT ON TABLE data_gap IS 'Spans without candles inside a listing, with their cause. A gap that fills is resolved, not deleted.';
COMMENT ON COLUMN data_gap.symbol IS 'Base asset.';
COMMENT ON COLUMN data_gap.timeframe IS 'Candle length.';
COMMENT ON COLUMN data_gap.gap_start IS 'Open time of the first missing candle.';
COMMENT ON COLUMN data_gap.gap_end IS 'End of the last missing candle.';
COMMENT ON COLUMN data_gap.missing_records IS 'Candles missing.';
COMMENT ON COLUMN data_gap.cause IS 'open, exchange_outage, suspension, not_published or pruned. Only open and not_published are worth another request.';
COMMENT ON COLUMN data_gap.attempts IS 'How often a load asked for it in vain.';
COMMENT ON COLUMN data_gap.rest_empty_on IS 'Days on which REST confirmed it empty.';
COMMENT ON COLUMN data_gap.archive_empty_on IS 'Days on which a published archive file confirmed it empty.';
COMMENT ON COLUMN data_gap.first_seen IS 'When it was first noticed.';
COMMENT ON COLUMN data_gap.last_checked IS 'When it was last looked at.';
COMMENT ON COLUMN data_gap.resolved_at IS 'When it was filled, or split into smaller gaps; null while it is there.';

CREATE TABLE data_quality (
    symbol text NOT NULL,
    timeframe text NOT NULL,
    period text NOT NULL,
    date_range_start timestamptz NOT NULL,
    date_range_end timestamptz NOT NULL,
    expected_records bigint NOT NULL,
    actual_records bigint NOT NULL,
    missing_records bigint NOT NULL,
    unfillable_records bigint NOT NULL,
    completeness_percentage double precision NOT NULL,
    adjusted_completeness_percentage double precision NOT NULL,
    has_gaps boolean NOT NULL,
    has_anomalies boolean NOT NULL,
    checked_at timestamptz NOT NULL,
    PRIMARY KEY (symbol, timeframe, period, date_range_start),
    CONSTRAINT period_is_known CHECK (period IN ('month', '30d', '90d', '365d')),
    CONSTRAINT a_range_ends_after_it_starts CHECK (date_range_start < date_range_end),
    CONSTRAINT counts_add_up CHECK (expected_records >= 0 AND missing_records = expected_records - actual_records),
    CONSTRAINT unfillable_is_part_of_missing CHECK (unfillable_records BETWEEN 0 AND greatest(missing_records, 0)),
    CONSTRAINT percentages_are_percentages CHECK (
        completeness_percentage BETWEEN 0 AND 100 AND adjusted_completeness_percentage BETWEEN 0 AND 100
    )
);

CREATE INDEX data_quality_by_period ON data_quality (period, timeframe, date_range_start);

COMMENT ON TABLE data_quality IS 'Completeness of each series for each calendar month (UTC) and for the last 30, 90 and 365 days.';
COMMENT ON COLUMN data_quality.symbol IS 'Base asset.';
COMMENT ON COLUMN data_quality.timeframe IS 'Candle length.';
COMMENT ON COLUMN data_quality.period IS 'month, or 30d, 90d, 365d for rolling ranges, of which only the newest is kept.';
COMMENT ON COLUMN data_quality.date_range_start IS 'Start of the range.';
COMMENT ON COLUMN data_quality.date_range_end IS 'End of the range (exclusive); a running month ends at the last closed candle that was asked for.';
COMMENT ON COLUMN data_quality.expected_records IS 'Candles that should exist: from listing to delisting, closed by the time of the check.';
COMMENT ON COLUMN data_quality.actual_records IS 'Candles stored.';
COMMENT ON COLUMN data_quality.missing_records IS 'expected - actual.';
COMMENT ON COLUMN data_quality.unfillable_records IS 'Missing candles with an explained cause (outage, suspension, pruned): no load can bring them.';
COMMENT ON COLUMN data_quality.completeness_percentage IS '100 * actual / expected; 100 where nothing is expected.';
COMMENT ON COLUMN data_quality.adjusted_completeness_percentage IS '100 * actual / (expected - unfillable); 100 where nothing else is expected.';
COMMENT ON COLUMN data_quality.has_gaps IS 'True where a candle is missing without an explanation.';
COMMENT ON COLUMN data_quality.has_anomalies IS 'True where a quality check found a candle that is not plausible.';
COMMENT ON COLUMN data_quality.checked_at IS 'When this was measured.';
