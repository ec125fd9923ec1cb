-- What was loaded, from where, what it changed, and what was refused.
-- What an operator notices: every window of every load leaves one row in data_sync_log.

CREATE TABLE data_sync_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    lane text NOT NULL,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    source text NOT NULL,
    status text NOT NULL,
    requests integer NOT NULL DEFAULT 0,
    retries integer NOT NULL DEFAULT 0,
    rate_limited integer NOT NULL DEFAULT 0,
    errors integer NOT NULL DEFAULT 0,
    rows_fetched bigint NOT NULL DEFAULT 0,
    rows_inserted bigint NOT NULL DEFAULT 0,
    rows_revised bigint NOT NULL DEFAULT 0,
    rows_unchanged bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    step_downs jsonb NOT NULL DEFAULT '[]',
    error text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    CONSTRAINT status_is_known CHECK (status IN ('success', 'failed')),
    CONSTRAINT a_failure_says_why CHECK ((status = 'failed') = (error IS NOT NULL)),
    CONSTRAINT a_failure_stores_nothing CHECK (status = 'success' OR rows_inserted + rows_revised + rows_unchanged = 0),
    CONSTRAINT a_window_ends_after_it_starts CHECK (window_start < window_end)
);

CREATE INDEX data_sync_log_by_series ON data_sync_log (symbol, timeframe, finished_at);
CREATE INDEX data_sync_log_by_run ON data_sync_log (dag_id, run_id);
CREATE INDEX data_sync_log_by_time ON data_sync_log (finished_at);

COMMENT ON TABLE data_sync_log IS
'One row a loaded window, written in the transaction that stores its candles (success) or after it was rolled back (failed).';
COMMENT ON COLUMN data_sync_log.id IS 'Order of writing.';
COMMENT ON COLUMN data_sync_log.dag_id IS 'Dag that loaded it.';
COMMENT ON COLUMN data_sync_log.run_id IS 'Run of that Dag.';
COMMENT ON COLUMN data_sync_log.lane IS 'Name of the mapped task, as shown in the UI.';
COMMENT ON COLUMN data_sync_log.symbol IS 'Base asset.';
COMMENT ON COLUMN data_sync_log.timeframe IS 'Candle length.';
COMMENT ON COLUMN data_sync_log.window_start IS 'Start of the window that was asked for.';
COMMENT ON COLUMN data_sync_log.window_end IS 'End of the window (exclusive).';
COMMENT ON COLUMN data_sync_log.source IS 'Rungs of the ladder that gave candles: archive-monthly, archive-daily, rest, joined by +; none where there were none.';
COMMENT ON COLUMN data_sync_log.status IS 'success or failed.';
COMMENT ON COLUMN data_sync_log.requests IS 'HTTP requests sent, tries included.';
COMMENT ON COLUMN data_sync_log.retries IS 'Requests that were sent again.';
COMMENT ON COLUMN data_sync_log.rate_limited IS 'Answers 429 or 418.';
COMMENT ON COLUMN data_sync_log.errors IS 'Answers 5xx, time-outs, resets and broken bodies.';
COMMENT ON COLUMN data_sync_log.rows_fetched IS 'Valid candles received for the window.';
COMMENT ON COLUMN data_sync_log.rows_inserted IS 'Candles that were new.';
COMMENT ON COLUMN data_sync_log.rows_revised IS 'Stored candles that the exchange has changed; see market_data_revision.';
COMMENT ON COLUMN data_sync_log.rows_unchanged IS 'Candles already stored with the same values; not written again.';
COMMENT ON COLUMN data_sync_log.rows_rejected IS 'Candles refused; see rejected_candle.';
COMMENT ON COLUMN data_sync_log.step_downs IS 'Why a rung of the ladder was left: [{from, period, reason}].';
COMMENT ON COLUMN data_sync_log.error IS 'Why the window failed, in one sentence.';
COMMENT ON COLUMN data_sync_log.started_at IS 'When work on the window began.';
COMMENT ON COLUMN data_sync_log.finished_at IS 'When it ended.';

CREATE TABLE market_data_revision (
    symbol text NOT NULL,
    timeframe text NOT NULL,
    timestamp timestamptz NOT NULL,
    old_open double precision NOT NULL,
    old_high double precision NOT NULL,
    old_low double precision NOT NULL,
    old_close double precision NOT NULL,
    old_volume double precision NOT NULL,
    old_quote_volume double precision NOT NULL,
    old_trades bigint NOT NULL,
    old_taker_buy_volume double precision NOT NULL,
    old_taker_buy_quote_volume double precision NOT NULL,
    new_open double precision NOT NULL,
    new_high double precision NOT NULL,
    new_low double precision NOT NULL,
    new_close double precision NOT NULL,
    new_volume double precision NOT NULL,
    new_quote_volume double precision NOT NULL,
    new_trades bigint NOT NULL,
    new_taker_buy_volume double precision NOT NULL,
    new_taker_buy_quote_volume double precision NOT NULL,
    source text NOT NULL,
    revised_at timestamptz NOT NULL,
    PRIMARY KEY (symbol, timeframe, timestamp, revised_at)
);

COMMENT ON TABLE market_data_revision IS 'Every change of a stored candle: Binance revises history, and a backtest may need the values of the day it ran.';
COMMENT ON COLUMN market_data_revision.symbol IS 'Base asset.';
COMMENT ON COLUMN market_data_revision.timeframe IS 'Candle length.';
COMMENT ON COLUMN market_data_revision.timestamp IS 'Open time of the candle.';
COMMENT ON COLUMN market_data_revision.old_open IS 'open before the revision; likewise the other old_ columns.';
COMMENT ON COLUMN market_data_revision.old_high IS 'high before the revision.';
COMMENT ON COLUMN market_data_revision.old_low IS 'low before the revision.';
COMMENT ON COLUMN market_data_revision.old_close IS 'close before the revision.';
COMMENT ON COLUMN market_data_revision.old_volume IS 'volume before the revision.';
COMMENT ON COLUMN market_data_revision.old_quote_volume IS 'quote_volume before the revision.';
COMMENT ON COLUMN market_data_revision.old_trades IS 'trades before the revision.';
COMMENT ON COLUMN market_data_revision.old_taker_buy_volume IS 'taker_buy_volume before the revision.';
COMMENT ON COLUMN market_data_revision.old_taker_buy_quote_volume IS 'taker_buy_quote_volume before the revision.';
COMMENT ON COLUMN market_data_revision.new_open IS 'open after the revision; likewise the other new_ columns.';
COMMENT ON COLUMN market_data_revision.new_high IS 'high after the revision.';
COMMENT ON COLUMN market_data_revision.new_low IS 'low after the revision.';
COMMENT ON COLUMN market_data_revision.new_close IS 'close after the revision.';
COMMENT ON COLUMN market_data_revision.new_volume IS 'volume after the revision.';
COMMENT ON COLUMN market_data_revision.new_quote_volume IS 'quote_volume after the revision.';
COMMENT ON COLUMN market_data_revision.new_trades IS 'trades after the revision.';
COMMENT ON COLUMN market_data_revision.new_taker_buy_volume IS 'taker_buy_volume after the revision.';
COMMENT ON COLUMN market_data_revision.new_taker_buy_quote_volume IS 'taker_buy_quote_volume after the revision.';
COMMENT ON COLUMN market_data_revision.source IS 'Rung that brought the new values.';
COMMENT ON COLUMN market_data_revision.revised_at IS 'When the stored candle was changed.';

CREATE TABLE archive_file (
    url text PRIMARY KEY,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    covers_start timestamptz NOT NULL,
    covers_end timestamptz NOT NULL,
    sha256 text NOT NULL,
    last_modified timestamptz,
    rows bigint NOT NULL,
    loaded_at timestamptz NOT NULL,
    CONSTRAINT sha256_is_a_digest CHECK (sha256 ~ '^[0-9a-f]{64}$')
);

CREATE INDEX archive_file_by_time ON archive_file (loaded_at);

COMMENT ON TABLE archive_file IS 'Archive files whose candles were stored, as they were then: the exchange replaces files without a word.';
COMMENT ON COLUMN archive_file.url IS 'Address of the zip.';
COMMENT ON COLUMN archive_file.symbol IS 'Base asset.';
COMMENT ON COLUMN archive_file.timeframe IS 'Candle length.';
COMMENT ON COLUMN archive_file.covers_start IS 'Start of the month or day the file is for.';
COMMENT ON COLUMN archive_file.covers_end IS 'End of it (exclusive).';
COMMENT ON COLUMN archive_file.sha256 IS 'Digest of the zip, checked against the CHECKSUM beside it.';
COMMENT ON COLUMN archive_file.last_modified IS 'Last-Modified of the zip.';
COMMENT ON COLUMN archive_file.rows IS 'Candles in the file.';
COMMENT ON COLUMN archive_file.loaded_at IS 'When it was last loaded.';

CREATE TABLE rejected_candle (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    timeframe text NOT NULL,
    timestamp timestamptz,
    source text NOT NULL,
    reason text NOT NULL,
    candle jsonb NOT NULL,
    run_id text NOT NULL,
    rejected_at timestamptz NOT NULL,
    CONSTRAINT a_candle_is_rejected_once_for_a_reason UNIQUE NULLS NOT DISTINCT (symbol, timeframe, timestamp, source, reason, candle)
);

COMMENT ON TABLE rejected_candle IS 'Candles that were received and not stored, each with its reason.';
COMMENT ON COLUMN rejected_candle.id IS 'Order of writing.';
COMMENT ON COLUMN rejected_candle.symbol IS 'Base asset.';
COMMENT ON COLUMN rejected_candle.timeframe IS 'Candle length.';
COMMENT ON COLUMN rejected_candle.timestamp IS 'Open time as received; null where it is no time.';
COMMENT ON COLUMN rejected_candle.source IS 'Rung that brought it.';
COMMENT ON COLUMN rejected_candle.reason IS 'Which rule it breaks.';
COMMENT ON COLUMN rejected_candle.candle IS 'The values as received.';
COMMENT ON COLUMN rejected_candle.run_id IS 'Run that received it.';
COMMENT ON COLUMN rejected_candle.rejected_at IS 'When it was received.';
