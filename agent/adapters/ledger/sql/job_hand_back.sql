-- job_hand_back: whoever comes next may go on with the job at once.
-- $1 id, $2 holder
update jobs set state = 'queued', holder = null, seen_at = null where id = $1 and holder = $2 and state = 'running'
returning id
