-- used_runs: a project's runs that are open, or began or ended in the last minute, with their keys and ages.
-- Those that ended are looked for among the runs of the last hour: no run takes longer than that on purpose.
-- $1 project
select r.id, r.key_id as key, r.ended_at is null as open,
       floor(extract(epoch from statement_timestamp() - r.created_at))::int as age_s
from runs r
where r.project_id = $1 and r.created_at > statement_timestamp() - interval '1 hour'
  and (r.created_at > statement_timestamp() - interval '60 seconds'
       or r.ended_at > statement_timestamp() - interval '60 seconds')
union
select r.id, r.key_id, true, floor(extract(epoch from statement_timestamp() - r.created_at))::int
from work w join runs r on r.id = w.run_id
where w.project_id = $1
