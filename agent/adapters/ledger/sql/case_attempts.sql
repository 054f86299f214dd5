-- case_attempts: every delivery of a run that a worker opened, with all that it takes to run it again.
-- $1 run
select token, generation, seq, route, attempt, delivery, begins, outcome, settled, error_kind, error, delay_s, refusals,
       began_at, ended_at
from attempts where run_id = $1 order by generation, began_at, token
