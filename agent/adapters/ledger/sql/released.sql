-- released: those who waited for these runs are gone. Whoever took a run over meanwhile keeps it.
-- $1 runs, $2 holders
with told as (
    select * from unnest($1::text[], $2::text[]) as t (id, holder)
), locked as (
    select r.id, r.holder = t.holder as mine from told t join runs r using (id) order by r.id for update of r
), let_go as (
    update runs r set holder = null from locked l where r.id = l.id and l.mine
)
select id from locked
