-- bury: keeps dead letters; one that is there already stays as it is.
-- $1 ids, $2 runs, $3 generations, $4 seqs, $5 routes, $6 attempts, $7 kinds, $8 reasons, $9 bodies
insert into dead_letters (id, run_id, generation, seq, route, attempt, kind, reason, body)
select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::int[], $7::text[], $8::text[], $9::text[])
on conflict (id) do nothing
