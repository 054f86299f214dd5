-- looked_for: an entry was found where it should be, or is gone; either way the row waits its turn again.
-- $1 runs, $2 entries, $3 gone
with given as (
    select * from unnest($1::text[], $2::text[], $3::bool[]) as t (run_id, entry, gone)
), held as (
    select w.run_id, g.gone from work w join given g on g.run_id = w.run_id and g.entry = w.entry
    order by w.run_id for update of w skip locked
)
update work w
set entry = case when h.gone then null else w.entry end,
    published_at = case when h.gone then null else clock_timestamp() end
from held h where h.run_id = w.run_id
