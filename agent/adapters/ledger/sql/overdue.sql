-- overdue: open runs past their deadline.
-- $1 limit
select w.run_id, w.generation, w.seq, w.route, w.attempt, w.project_id, w.trace, w.bulk, w.deadline, r.agent, r.agent_version,
       r.prompts
from work w join runs r on r.id = w.run_id
where w.deadline < clock_timestamp() order by w.deadline limit $1
