-- doctor_carried: work that is said to stand in a stream and was not looked for, begun or moved for a while.
-- $1 seconds, $2 limit
select run_id, generation, seq, route, attempt, entry
from work where entry is not null and published_at < clock_timestamp() - make_interval(secs => $1)
order by published_at limit $2
