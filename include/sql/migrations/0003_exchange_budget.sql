-- The request weight that all processes share, and the pauses that all of them obey.
-- What an operator notices: one row an exchange address; `UPDATE exchange_budget SET banned_until = NULL` lifts a ban by hand.

CREATE TABLE exchange_budget (
    address text PRIMARY KEY,
    weight_limit integer NOT NULL DEFAULT 6000,
    limit_read_at timestamptz,
    newest_second bigint NOT NULL,
    spent integer[] NOT NULL,
    used integer NOT NULL,
    paused_until timestamptz,
    banned_until timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT address_holds_no_credentials CHECK (address NOT LIKE '%@%'),
    CONSTRAINT weight_limit_is_positive CHECK (weight_limit > 0),
    CONSTRAINT spent_has_a_place_for_each_second CHECK (cardinality(spent) = 63),
    CONSTRAINT used_is_not_negative CHECK (used >= 0)
) WITH (fillfactor = 50);

COMMENT ON TABLE exchange_budget IS
'Request weight spent in the last minute and pauses asked for, by exchange address; read and written by the hook before each request.';
COMMENT ON COLUMN exchange_budget.address IS 'REST base URL that the processes share.';
COMMENT ON COLUMN exchange_budget.weight_limit IS 'REQUEST_WEIGHT a minute that the exchange allows; 80 % of it is used.';
COMMENT ON COLUMN exchange_budget.limit_read_at IS 'When weight_limit was last read from exchangeInfo; NULL = never, then it is assumed.';
COMMENT ON COLUMN exchange_budget.newest_second IS 'Unix time of the first element of spent.';
COMMENT ON COLUMN exchange_budget.spent IS
'Weight granted in each of the last 63 seconds, newest first: any minute of the exchange lies inside, two seconds of travel included.';
COMMENT ON COLUMN exchange_budget.used IS 'Sum of spent when it was last written.';
COMMENT ON COLUMN exchange_budget.paused_until IS 'End of the pause that an answer 429 asked for; obeyed by all.';
COMMENT ON COLUMN exchange_budget.banned_until IS 'End of the ban that an answer 418 told of; nothing is sent before.';
COMMENT ON COLUMN exchange_budget.updated_at IS 'Time of the last change.';

CREATE FUNCTION exchange_weight_window(spent integer[], newest_second bigint, wanted_second bigint)
RETURNS integer[]
LANGUAGE sql
IMMUTABLE
AS $$
    SELECT CASE
        WHEN wanted_second = newest_second THEN spent
        -- A clock that was set back: count all of it as just spent.
        WHEN wanted_second < newest_second THEN (SELECT sum(s) FROM unnest(spent) AS s)::integer || array_fill(0, ARRAY[62])
        WHEN wanted_second - newest_second > 62 THEN array_fill(0, ARRAY[63])
        ELSE
            array_fill(0, ARRAY[(wanted_second - newest_second)::integer])
            || spent[1:(63 - (wanted_second - newest_second))::integer]
    END
$$;
COMMENT ON FUNCTION exchange_weight_window IS 'The weight of the 63 seconds up to wanted_second, newest first.';

CREATE FUNCTION lock_exchange_budget(wanted_address text)
RETURNS exchange_budget
LANGUAGE plpgsql
AS $$
DECLARE
    budget exchange_budget;
    this_second bigint;
BEGIN
    -- A grant lost in a crash of the server costs nothing that the other 20 % do not cover; waiting for the disk would.
    PERFORM set_config('synchronous_commit', 'off', true);
    LOOP
        SELECT * INTO budget FROM exchange_budget AS b WHERE b.address = wanted_address FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO exchange_budget (address, newest_second, spent, used, updated_at)
        VALUES (wanted_address, floor(extract(EPOCH FROM clock_timestamp())), array_fill(0, ARRAY[63]), 0, clock_timestamp())
        ON CONFLICT (address) DO NOTHING;
    END LOOP;
    this_second := floor(extract(EPOCH FROM clock_timestamp()));
    budget.spent := exchange_weight_window(budget.spent, budget.newest_second, this_second);
    budget.newest_second := this_second;
    budget.used := (SELECT sum(s) FROM unnest(budget.spent) AS s);
    RETURN budget;
END
$$;
COMMENT ON FUNCTION lock_exchange_budget IS
'The row of an address, locked, made if missing, with its seconds moved up to now; written only by the caller.';

CREATE FUNCTION acquire_exchange_weight(
    wanted_address text,
    wanted_weight integer,
    weight_cap integer,
    OUT verdict text,
    OUT wait_seconds double precision,
    OUT until timestamptz,
    OUT used_weight integer,
    OUT allowed_weight integer
)
LANGUAGE plpgsql
AS $$
DECLARE
    budget exchange_budget := lock_exchange_budget(wanted_address);
    moment timestamptz := clock_timestamp();
    freed integer := 0;
    place integer := 63;
BEGIN
    used_weight := budget.used;
    allowed_weight := least(budget.weight_limit, weight_cap) * 8 / 10;
    wait_seconds := 0;
    IF budget.banned_until > moment THEN
        verdict := 'banned';
        until := budget.banned_until;
    ELSIF wanted_weight > allowed_weight THEN
        verdict := 'too_heavy';
    ELSIF budget.paused_until > moment THEN
        verdict := 'paused';
        until := budget.paused_until;
    ELSIF used_weight + wanted_weight > allowed_weight THEN
        verdict := 'full';
        LOOP
            freed := freed + budget.spent[place];
            EXIT WHEN used_weight - freed + wanted_weight <= allowed_weight;
            place := place - 1;
        END LOOP;
        until := to_timestamp(budget.newest_second + 64 - place);
    ELSE
        verdict := 'granted';
        used_weight := used_weight + wanted_weight;
        budget.spent[1] := budget.spent[1] + wanted_weight;
        UPDATE exchange_budget AS b
        SET newest_second = budget.newest_second, spent = budget.spent, used = used_weight, updated_at = moment
        WHERE b.address = wanted_address;
        RETURN;
    END IF;
    wait_seconds := greatest(extract(EPOCH FROM until - moment), 0.01);
END
$$;
COMMENT ON FUNCTION acquire_exchange_weight IS
'Spends weight, or says why not (full, too_heavy, paused, banned) and how long to wait; 80 % of the lower of limit and cap may be spent.';

CREATE FUNCTION observe_exchange_weight(wanted_address text, observed_weight integer)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    budget exchange_budget := lock_exchange_budget(wanted_address);
BEGIN
    IF observed_weight > budget.used THEN
        budget.spent[1] := budget.spent[1] + observed_weight - budget.used;
        UPDATE exchange_budget AS b
        SET newest_second = budget.newest_second, spent = budget.spent, used = observed_weight, updated_at = clock_timestamp()
        WHERE b.address = wanted_address;
    END IF;
END
$$;
COMMENT ON FUNCTION observe_exchange_weight IS
'Takes in the exchange''s own count: what it knows beyond the budget was spent by others behind the same IP.';

CREATE FUNCTION pause_exchange(wanted_address text, pause_seconds double precision)
RETURNS timestamptz
LANGUAGE sql
AS $$
    SELECT lock_exchange_budget(wanted_address);
    SELECT set_config('synchronous_commit', 'on', true);
    UPDATE exchange_budget AS b
    SET
        paused_until = greatest(b.paused_until, clock_timestamp() + make_interval(secs => pause_seconds)),
        updated_at = clock_timestamp()
    WHERE b.address = wanted_address
    RETURNING b.paused_until;
$$;
COMMENT ON FUNCTION pause_exchange IS 'Nobody sends for that many seconds; returns the end of the pause, which is never shortened.';

CREATE FUNCTION ban_exchange(wanted_address text, ban_seconds double precision)
RETURNS timestamptz
LANGUAGE sql
AS $$
    SELECT lock_exchange_budget(wanted_address);
    SELECT set_config('synchronous_commit', 'on', true);
    UPDATE exchange_budget AS b
    SET
        banned_until = greatest(b.banned_until, clock_timestamp() + make_interval(secs => ban_seconds)),
        updated_at = clock_timestamp()
    WHERE b.address = wanted_address
    RETURNING b.banned_until;
$$;
COMMENT ON FUNCTION ban_exchange IS 'Opens the circuit for that many seconds; returns the end of the ban, which is never shortened.';

CREATE FUNCTION set_exchange_weight_limit(wanted_address text, new_limit integer)
RETURNS void
LANGUAGE sql
AS $$
    SELECT lock_exchange_budget(wanted_address);
    UPDATE exchange_budget AS b
    SET weight_limit = new_limit, limit_read_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE b.address = wanted_address;
$$;
COMMENT ON FUNCTION set_exchange_weight_limit IS 'Records the weight a minute that exchangeInfo names.';

CREATE FUNCTION exchange_weight_limit_is_fresh(wanted_address text)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT EXISTS (
        SELECT FROM exchange_budget AS b
        WHERE b.address = wanted_address AND b.limit_read_at > clock_timestamp() - INTERVAL '1 day'
    );
$$;
COMMENT ON FUNCTION exchange_weight_limit_is_fresh IS 'Whether the limit was read within a day.';
