-- keys_read: who has these keys.
-- $1 projects, $2 keys
select k.project_id, k.key, k.run_id, k.body_hash
from unnest($1::text[], $2::text[]) as t (project_id, key) join idempotency_keys k using (project_id, key)
