-- What a reader may know of the request budget: the view request_budget, for the Coverage page, health and metrics.
-- What an operator notices: request_budget; exchange_budget itself stays the writer's.

CREATE VIEW request_budget AS
SELECT
    budget.address,
    budget.weight_limit,
    budget.weight_limit * 8 / 10 AS weight_budget,
    (
        SELECT coalesce(sum(second.weight), 0)::integer
        FROM unnest(budget.spent) WITH ORDINALITY AS second (weight, place)
        WHERE budget.newest_second - (second.place - 1) > extract(EPOCH FROM now()) - 60
    ) AS used_last_minute,
    budget.paused_until,
    budget.banned_until,
    budget.updated_at
FROM exchange_budget AS budget;

COMMENT ON VIEW request_budget IS 'Request weight spent in the last minute against what may be spent, and pauses and bans, by exchange address.';
COMMENT ON COLUMN request_budget.address IS 'REST base URL that the processes share.';
COMMENT ON COLUMN request_budget.weight_limit IS 'REQUEST_WEIGHT a minute that the exchange allows.';
COMMENT ON COLUMN request_budget.weight_budget IS 'Weight a minute that is used at most: 80 % of the limit.';
COMMENT ON COLUMN request_budget.used_last_minute IS 'Weight granted in the last 60 seconds.';
COMMENT ON COLUMN request_budget.paused_until IS 'End of the pause that an answer 429 asked for.';
COMMENT ON COLUMN request_budget.banned_until IS 'End of the ban that an answer 418 told of.';
COMMENT ON COLUMN request_budget.updated_at IS 'Time of the last change.';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'market_writer') THEN
        GRANT SELECT ON request_budget TO market_writer;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'backtester') THEN
        GRANT SELECT ON request_budget TO backtester;
    END IF;
END
$$;
