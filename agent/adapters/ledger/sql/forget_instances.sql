-- forget_instances: removes processes that were not heard of that are older than they are kept; how many.
-- $1 kept for (seconds), $2 at most
with old as (
    select id from instances where seen_at < clock_timestamp() - make_interval(secs => $1) limit $2
), gone as (
    delete from instances t using old where t.id = old.id returning 1
)
select count(*) from gone
