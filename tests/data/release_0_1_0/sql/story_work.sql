-- story_work: where the work of a run stands; no row once it ended.
-- $1 run
select generation, seq, route, attempt, deliveries, due_at, deadline, entry, published_at from work where run_id = $1
