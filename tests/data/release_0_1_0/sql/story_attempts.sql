-- story_attempts: every delivery of a run that a worker opened, won or lost.
-- $1 run
select token, generation, seq, route, attempt, delivery, worker, entry, outcome, settled, error_kind, error, began_at, ended_at
from attempts where run_id = $1 order by generation, seq, began_at
