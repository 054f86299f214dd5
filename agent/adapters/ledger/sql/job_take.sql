-- job_take: begins a job, or takes over one whose holder was not seen for a while.
-- $1 id, $2 holder, $3 lease (seconds)
update jobs
set state = 'running', holder = $2, seen_at = clock_timestamp(), started_at = coalesce(started_at, clock_timestamp())
where id = $1
  and (state = 'queued' or (state = 'running' and seen_at < clock_timestamp() - make_interval(secs => $3)))
returning id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
