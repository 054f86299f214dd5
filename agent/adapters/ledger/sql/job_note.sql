-- job_note: moves a locked job on.
-- $1 id, $2 done more, $3 result, $4 place
update jobs set done = done + $2, result = $3, place = $4, seen_at = clock_timestamp() where id = $1
returning id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
