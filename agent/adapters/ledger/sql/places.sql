-- places: where the work of those of a list of runs stands that are open.
-- $1 runs
select run_id, generation, seq, begins > 0 as begun from work where run_id = any($1::text[])
