-- job_see: the holder is still at it.
-- $1 id, $2 holder
update jobs set seen_at = clock_timestamp() where id = $1 and holder = $2 and state = 'running'
returning id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
