-- doctor_jobs: jobs that are not done.
select id, kind, state, extract(epoch from clock_timestamp() - coalesce(seen_at, started_at, created_at))::float8 as silent_s
from jobs where state in ('queued', 'running') order by created_at
