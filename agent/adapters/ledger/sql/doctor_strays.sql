-- doctor_strays: work rows without an open run of the same generation.
-- $1 examples
select w.run_id as example, count(*) over () as count, extract(epoch from clock_timestamp() - w.due_at)::float8 as oldest_s
from work w left join runs r on r.id = w.run_id and r.generation = w.generation and r.status = 'in_progress'
where r.id is null
order by w.run_id limit $1
