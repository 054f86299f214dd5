-- keys_known: which run has a key that still counts.
-- $1 project, $2 key
select k.run_id, k.body_hash
from idempotency_keys k left join runs r on r.id = k.run_id
where k.project_id = $1 and k.key = $2 and k.expires_at > clock_timestamp() and r.purged_at is null
  and r.purge_asked_at is null
