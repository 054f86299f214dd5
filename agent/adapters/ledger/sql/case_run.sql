-- case_run: a run as a case tells of it, whichever project it belongs to.
-- $1 run
select id, project_id, generation, agent, agent_version, prompts, request, status, store, trace, created_at, reopened_at,
       deadline, ended_at, purge_asked_at, purged_at
from runs where id = $1
