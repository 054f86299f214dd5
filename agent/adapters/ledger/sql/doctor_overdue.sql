-- doctor_overdue: open runs that nobody ended though their deadline has passed.
-- $1 examples, $2 grace in seconds
select run_id as example, count(*) over () as count, extract(epoch from clock_timestamp() - deadline)::float8 as oldest_s
from work where deadline < clock_timestamp() - make_interval(secs => $2)
order by deadline limit $1
