-- letters_runs: the runs of dead letters, locked, with what a replay has to know of them.
-- $1 runs, $2 generations, $3 seqs
select r.id, r.generation, r.status, r.purged_at is not null or r.purge_asked_at is not null as purged,
       exists (select from events e where e.run_id = t.run_id and e.generation = t.generation and e.seq = t.seq) as has_event,
       t.generation as of_generation
from unnest($1::text[], $2::int[], $3::int[]) as t (run_id, generation, seq) join runs r on r.id = t.run_id
order by r.id for update of r
