-- job: one job.
-- $1 id
select id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
from jobs where id = $1
