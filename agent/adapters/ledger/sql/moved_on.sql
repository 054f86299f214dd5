-- moved_on: which of these deliveries are of no use any more, because the run ended, moved on or was handed out again.
-- $1 runs, $2 generations, $3 seqs, $4 attempts, $5 begins, $6 tokens
select t.token
from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[])
    as t (run_id, generation, seq, attempt, begins, token)
where not exists (
    select from work w
    where w.run_id = t.run_id and w.generation = t.generation and w.seq = t.seq and w.attempt = t.attempt
      and w.begins = t.begins
)
