-- spent_today: what the calls of a model have cost since midnight, UTC. A call that is under way, or whose cost nobody told,
-- counts with the most that it may cost, as in the counters of Redis. Runs that take longer than an hour are looked for
-- while they are open.
-- $1 endpoint, $2 model
with today as (
    select date_trunc('day', clock_timestamp() at time zone 'utc') at time zone 'utc' as begins
), lately as (
    select r.id from runs r, today t where r.created_at > t.begins - interval '1 hour'
    union
    select w.run_id from work w
)
select coalesce(sum(coalesce(c.cost_usd, c.worst_case_usd, 0)), 0) as usd
from lately l join calls c on c.run_id = l.id, today t
where c.asked_at >= t.begins and c.endpoint = $1 and c.model = $2
