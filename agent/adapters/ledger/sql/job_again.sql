-- job_again: opens a periodic job unless one of its kind is open or was opened lately; no row if so.
-- $1 id, $2 kind, $3 arguments, $4 asked by, $5 every (seconds)
insert into jobs (id, kind, arguments, asked_by)
select $1, $2, $3, $4
where not exists (
    select from jobs
    where kind = $2
      and (state in ('queued', 'running') or created_at > clock_timestamp() - make_interval(secs => $5)))
returning id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
