-- due: work that is due and stands in no stream, locked for whoever asked; fresh rows get a moment for their own
-- worker to publish them.
-- $1 grace in seconds, $2 limit
select run_id, generation, seq, route, attempt, project_id, trace
from work
where entry is null and due_at <= clock_timestamp()
  and (attempt > 1 or due_at <= clock_timestamp() - make_interval(secs => $1))
order by due_at
limit $2
for update skip locked
