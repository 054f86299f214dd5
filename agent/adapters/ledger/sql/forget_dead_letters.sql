-- forget_dead_letters: removes settled dead letters that are older than they are kept; how many.
-- $1 kept for (seconds), $2 at most
with old as (
    select id from dead_letters where settled_at is not null and settled_at < clock_timestamp() - make_interval(secs => $1) limit $2
), gone as (
    delete from dead_letters t using old where t.id = old.id returning 1
)
select count(*) from gone
