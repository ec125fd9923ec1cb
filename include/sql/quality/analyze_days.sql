-- Lets the planner know candle_day after much was written to it: until autovacuum comes, it would read all of it for one month.
-- Binds: none. Table: candle_day. A second run is safe.
ANALYZE candle_day
