-- access_revoke_key: has a key refused from a moment on, or from an earlier one that was set before; with its line in the
-- audit if that changed anything.
-- $1 key, $2 seconds from now, $3 who, $4 the audit's id
with found as (
    select id, revoked_at as before from api_keys where id = $1 for update
), revoked as (
    update api_keys k set revoked_at = least(f.before, clock_timestamp() + make_interval(secs => $2))
    from found f where k.id = f.id
    returning k.*, f.before
), noted as (
    insert into audit (id, project_id, actor, action, subject)
    select $4, project_id, $3, 'revoke_key', id from revoked where before is distinct from revoked_at
)
select id, project_id as project, name, role, hint, hash, created_at, expires_at, revoked_at,
       requests_per_min, tokens_per_min, concurrent_runs, usd_per_day,
       extract(epoch from least(expires_at, revoked_at) - clock_timestamp())::float8 as lives_s
from revoked
