-- jobs: the newest jobs first.
-- $1 only open ones, $2 limit
select id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
from jobs where not $1 or state in ('queued', 'running') order by created_at desc, id limit $2
