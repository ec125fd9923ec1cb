-- What attempts counts, said in the table.
-- What an operator notices: only gap fills count in data_gap.attempts; loads and daily increments note what was empty, no attempt.

COMMENT ON COLUMN data_gap.attempts IS
'How many gap fills asked for it and found nothing, at most one a day and run; beyond max_attempts it is only reported.';
