-- Lets the planner know data_quality after much was written to it, as analyze_days.sql does for candle_day.
-- Binds: none. Table: data_quality. A second run is safe.
ANALYZE data_quality
