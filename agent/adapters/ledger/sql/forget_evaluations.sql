-- forget_evaluations: removes evaluations that are older than they are kept; how many. Their runs stay.
-- $1 kept for (seconds), $2 at most
with old as (
    select id from evaluations where created_at < clock_timestamp() - make_interval(secs => $1) limit $2
), gone as (
    delete from evaluations t using old where t.id = old.id returning 1
)
select count(*) from gone
