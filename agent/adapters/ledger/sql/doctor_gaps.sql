-- doctor_gaps: recent runs whose events are not numbered from 1 without a gap, or are not there; by generation.
-- $1 examples, $2 how many recent runs
with recent as (
    select id, generation from runs where purged_at is null order by id desc limit $2
), broken as (
    select r.id, g.generation
    from recent r cross join lateral generate_series(1, r.generation) as g (generation)
    left join events e on e.run_id = r.id and e.generation = g.generation
    group by r.id, g.generation
    having count(e.seq) = 0 or min(e.seq) <> 1 or max(e.seq) <> count(e.seq)
)
select id || '/' || generation as example, count(*) over () as count, 0::float8 as oldest_s
from broken order by id, generation limit $1
