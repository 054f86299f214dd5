-- standing: where a run stands; nulls where it has ended.
-- $1 run, $2 project (null: any)
select r.id, w.run_id, w.generation, w.seq, w.route, w.attempt, w.project_id, w.trace, w.bulk, w.deadline, r.agent, r.agent_version,
       r.prompts, r.purged_at is not null or r.purge_asked_at is not null as deleted
from runs r left join work w on w.run_id = r.id
where r.id = $1 and ($2::text is null or r.project_id = $2)
