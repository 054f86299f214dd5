-- used_runs: a project's runs of the last minute, and those that are open, with their keys and ages in seconds.
-- $1 project
select r.id, r.key_id as key, r.ended_at is null as open,
       floor(extract(epoch from statement_timestamp() - r.created_at))::int as age_s
from runs r
where r.project_id = $1 and r.created_at > statement_timestamp() - interval '60 seconds'
union
select r.id, r.key_id, true, floor(extract(epoch from statement_timestamp() - r.created_at))::int
from work w join runs r on r.id = w.run_id
where w.project_id = $1
