-- doctor_unpublished: work that has been due for a while and stands in no stream, by route. Where other work of the same
-- project waits to be taken in the stream of that route, it may be held back on purpose, and is found once that was taken.
-- $1 examples, $2 grace in seconds
select route, count(*) as count, (array_agg(run_id order by due_at))[1:$1] as examples,
       extract(epoch from clock_timestamp() - min(due_at))::float8 as oldest_s
from work
where entry is null and due_at < clock_timestamp() - make_interval(secs => $2) and deadline > clock_timestamp()
  and (project_id, route) not in (select project_id, route from work where entry is not null and deliveries = 0)
group by route
