-- job_end: a job is over.
-- $1 id, $2 holder, $3 state, $4 result (null: as it is)
update jobs set state = $3, result = coalesce($4, result), ended_at = clock_timestamp(), holder = null
where id = $1 and holder = $2 and state = 'running'
returning id
