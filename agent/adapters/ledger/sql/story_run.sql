-- story_run: a run, whichever project it belongs to: for operators.
-- $1 run
select id, project_id, generation, agent, agent_version, prompts, status, trace, created_at, deadline, ended_at from runs where id = $1
