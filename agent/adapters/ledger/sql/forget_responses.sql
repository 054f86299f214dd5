-- forget_responses: asks for the removal of the texts of responses that are older than they are kept; how many.
-- $1 kept for (seconds), $2 at most
with old as (
    select id from runs
    where store and purge_asked_at is null and created_at < clock_timestamp() - make_interval(secs => $1)
      and purged_at is null and ended_at is not null
    order by created_at limit $2 for update skip locked
), gone as (
    update runs r set purge_asked_at = clock_timestamp() from old where r.id = old.id returning 1
)
select count(*) from gone
