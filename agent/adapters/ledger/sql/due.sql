-- due: work that is due and stands in no stream, locked for whoever asked; fresh rows get a moment for their own
-- worker to publish them. Every project has its turn at each of its routes, those that have waited longest first, and in it
-- work that somebody waits for goes before the rest: a long queue is no reason for others to wait.
-- $1 grace in seconds, $2 most rows of a project and route, $3 most turns
with turns as materialized (
    select project_id, route
    from work
    where entry is null and due_at <= clock_timestamp()
      and (attempt > 1 or due_at <= clock_timestamp() - make_interval(secs => $1))
    group by 1, 2 order by min(due_at) limit $3
)
select w.*
from turns t cross join lateral (
    select run_id, generation, seq, route, attempt, project_id, trace, bulk
    from work
    where project_id = t.project_id and route = t.route and entry is null and due_at <= clock_timestamp()
      and (attempt > 1 or due_at <= clock_timestamp() - make_interval(secs => $1))
    order by bulk, due_at
    limit $2
    for update skip locked
) w
