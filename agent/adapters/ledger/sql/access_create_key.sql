-- access_create_key: puts a key on record, with its line in the audit; no row if it is there, or the project is not.
-- $1 id, $2 project, $3 name, $4 role, $5 how it begins, $6 hash, $7 good for (seconds, null: for ever),
-- $8 requests a minute, $9 tokens a minute, $10 runs at once, $11 USD a day, $12 who, $13 the audit's id
with created as (
    insert into api_keys (id, project_id, name, role, hint, hash, expires_at, requests_per_min, tokens_per_min,
                          concurrent_runs, usd_per_day, created_by)
    select $1, p.id, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7), $8, $9, $10, $11, $12
    from projects p where p.id = $2
    on conflict do nothing
    returning id, project_id, role
), noted as (
    insert into audit (id, project_id, actor, action, subject, detail)
    select $13, project_id, $12, 'create_key', id, role from created
)
select id from created
