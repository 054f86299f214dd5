-- keys_take: gives keys that nobody has to new runs; who had a key keeps it, and is read in a statement of its own.
-- $1 projects, $2 keys, $3 runs, $4 hashes of bodies, $5 seconds that each lives
insert into idempotency_keys (project_id, key, run_id, body_hash, expires_at)
select project_id, key, run_id, body_hash, clock_timestamp() + make_interval(secs => lives_s)
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::float8[]) as t (project_id, key, run_id, body_hash, lives_s)
order by project_id, key
on conflict (project_id, key) do nothing
