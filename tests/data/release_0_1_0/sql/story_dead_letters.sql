-- story_dead_letters: the dead letters of a run.
-- $1 run
select id, generation, seq, route, attempt, kind, reason, created_at, settled_at from dead_letters where run_id = $1 order by created_at
