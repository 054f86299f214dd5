-- doctor_misplaced: work rows that stand at an event that is not there.
-- $1 examples
select w.run_id as example, count(*) over () as count, extract(epoch from clock_timestamp() - w.due_at)::float8 as oldest_s
from work w
where not exists (
    select from events e where e.run_id = w.run_id and e.generation = w.generation and e.seq = w.seq)
order by w.run_id limit $1
