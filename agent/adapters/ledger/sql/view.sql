-- view: a run of a project as the door shows it.
-- $1 run, $2 project
select r.id, r.project_id, r.generation, r.agent, r.agent_version, r.request, r.store, r.status, r.ending_type,
       r.ending_version, r.ending, r.input_tokens, r.cached_tokens, r.output_tokens, r.reasoning_tokens, r.cost_usd,
       r.calls, r.attempts, r.trace, r.created_at, r.deadline, r.ended_at, p.link_secret,
       coalesce((select w.begins > 0 from work w where w.run_id = r.id), true) as begun,
       r.purged_at is not null or r.purge_asked_at is not null as deleted
from runs r join projects p on p.id = r.project_id
where r.id = $1 and r.project_id = $2
