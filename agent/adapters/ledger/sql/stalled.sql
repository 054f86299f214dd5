-- stalled: routes where work has waited for a while and no attempt was begun meanwhile. Work waits if it is due and no
-- process that lives has an attempt at it open. Time before the route was last resumed by an operator does not count.
-- The statement's own time is a constant to the planner; with clock_timestamp() the index by time could not be used.
-- $1 examples, $2 seconds of waiting, $3 seconds after which a process that was not seen is taken for dead
with busy as (
    select a.route from attempts a where a.began_at > statement_timestamp() - make_interval(secs => $2)
    union
    select substr(p.scope, 7) from pauses p where p.scope like 'route:%'
    union
    select substr(u.subject, 7) from audit u
    where u.action = 'resume' and u.subject like 'route:%' and u.at > statement_timestamp() - make_interval(secs => $2)
), waiting as (
    select w.run_id, w.route, w.due_at
    from work w
    where w.due_at < statement_timestamp() - make_interval(secs => $2) and w.deadline > statement_timestamp()
      and w.route not in (select route from busy)
      and not exists (
          select from attempts a left join instances i on i.id = a.worker
          where a.run_id = w.run_id and a.generation = w.generation and a.seq = w.seq and a.attempt = w.attempt
            and a.ended_at is null
            and (i.seen_at > statement_timestamp() - make_interval(secs => $3) or not exists (select from instances)))
)
select route, count(*) as count, (array_agg(run_id order by due_at))[1:$1] as examples,
       extract(epoch from statement_timestamp() - min(due_at))::float8 as oldest_s
from waiting group by route order by route
