-- doctor_orphans: open runs without a work row.
-- $1 examples
select r.id as example, count(*) over () as count, extract(epoch from clock_timestamp() - r.created_at)::float8 as oldest_s
from runs r
where r.status = 'in_progress' and not exists (select from work w where w.run_id = r.id)
order by r.id limit $1
