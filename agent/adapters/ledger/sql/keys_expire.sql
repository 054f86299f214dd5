-- keys_expire: lets go of keys whose time is over or whose run has lost its text: the given ones, and a few others on the way.
-- $1 projects, $2 keys
with asked as (
    select k.project_id, k.key
    from unnest($1::text[], $2::text[]) as t (project_id, key)
    join idempotency_keys k using (project_id, key)
    left join runs r on r.id = k.run_id
    where k.expires_at <= clock_timestamp() or r.purged_at is not null or r.purge_asked_at is not null
    for update of k skip locked
), others as (
    select project_id, key from idempotency_keys
    where expires_at <= clock_timestamp() order by expires_at limit 50
    for update skip locked
)
delete from idempotency_keys k using (select * from asked union select * from others) o
where k.project_id = o.project_id and k.key = o.key
