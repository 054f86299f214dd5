-- view: a run of a project as the door shows it.
-- $1 run, $2 project
select id, project_id, generation, agent, agent_version, request, store, status, ending_type, ending_version, ending,
       input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd, calls, attempts, trace, created_at,
       deadline, ended_at, purged_at is not null or purge_asked_at is not null as deleted
from runs where id = $1 and project_id = $2
