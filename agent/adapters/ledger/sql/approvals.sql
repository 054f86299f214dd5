-- approvals: the runs whose newest event asks for an approval, the longest waiting first. One whose deadline has passed
-- is none: whatever was decided, no call would be made. Nor is one whose time for a decision is over, though no worker has
-- denied its calls yet.
-- $1 project (null: any), $2 run (null: any), $3 limit
select w.run_id, w.generation, w.seq, w.route, w.attempt, w.project_id, w.trace, w.deadline, w.bulk, r.agent,
       least(w.due_at, w.deadline) as due_at, r.agent_version, r.prompts, e.type, e.version, e.data, e.at
from work w join events e on e.run_id = w.run_id and e.generation = w.generation and e.seq = w.seq
join runs r on r.id = w.run_id
where e.type = 'approval.requested' and ($1::text is null or w.project_id = $1) and ($2::text is null or w.run_id = $2)
  and least(w.due_at, w.deadline) > statement_timestamp() and r.purged_at is null and r.purge_asked_at is null
order by e.at
limit $3
