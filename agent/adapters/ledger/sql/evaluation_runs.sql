-- evaluation_runs: the runs of an evaluation, in the order of its lines.
-- $1 id
select run_id from evaluation_lines where evaluation_id = $1 and opened order by number
