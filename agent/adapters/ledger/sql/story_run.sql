-- story_run: a run, whichever project it belongs to: for operators.
-- $1 run
select id, project_id, generation, agent, agent_version, prompts, request, status, input_tokens, output_tokens, cost_usd,
       trace, created_at, reopened_at, deadline, ended_at, purged_at, clock_timestamp() as now
from runs where id = $1
