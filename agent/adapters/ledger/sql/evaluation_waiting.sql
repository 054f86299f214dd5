-- evaluation_waiting: the next lines of an evaluation whose runs are not open yet.
-- $1 id, $2 limit
select number, run_id as run, request, trace from evaluation_lines where evaluation_id = $1 and not opened
order by number limit $2
