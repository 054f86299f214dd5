-- delivered: the endings of these runs were sent whole.
-- $1 runs, $2 holders
with locked as (
    select r.id, t.holder from unnest($1::text[], $2::text[]) as t (id, holder) join runs r using (id)
    order by r.id for update of r
)
update runs r
set delivered_at = coalesce(r.delivered_at, clock_timestamp()), holder = nullif(r.holder, l.holder)
from locked l where r.id = l.id
returning r.id
