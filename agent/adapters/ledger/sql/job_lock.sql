-- job_lock: a job that its holder is about to move on; no row if it ended or another holds it.
-- $1 id, $2 holder
select id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
from jobs where id = $1 and holder = $2 and state = 'running' for update
