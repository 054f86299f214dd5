-- job_same: the open job that wants the same.
-- $1 kind, $2 arguments
select id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
from jobs where kind = $1 and arguments = $2 and state in ('queued', 'running') order by created_at limit 1
