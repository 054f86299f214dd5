-- doctor_endless: recent runs that have ended and whose ending is missing, or is not their last event.
-- $1 examples, $2 how many recent runs
with recent as (
    select id, generation, status, ended_at, ending_type from runs
    where purged_at is null order by id desc limit $2
)
select r.id as example, count(*) over () as count, 0::float8 as oldest_s
from recent r
left join lateral (
    select e.type from events e where e.run_id = r.id and e.generation = r.generation order by e.seq desc limit 1
) last on true
where r.status <> 'in_progress' and (r.ended_at is null or r.ending_type is null or r.ending_type is distinct from last.type)
order by r.id limit $1
