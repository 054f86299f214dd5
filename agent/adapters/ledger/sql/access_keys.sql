-- access_keys: keys that are good, or all that are on record.
-- $1 project (null: of all), $2 whether those that are refused come too
select id, project_id as project, name, role, hint, hash, created_at, expires_at, revoked_at,
       requests_per_min, tokens_per_min, concurrent_runs, usd_per_day,
       extract(epoch from least(expires_at, revoked_at) - clock_timestamp())::float8 as lives_s
from api_keys
where ($1::text is null or project_id = $1)
  and ($2 or least(expires_at, revoked_at) is null or least(expires_at, revoked_at) > clock_timestamp())
order by api_keys.created_at, id
