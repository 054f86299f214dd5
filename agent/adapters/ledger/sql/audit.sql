-- audit: published work, one page by run, however lately it has moved.
-- $1 the last run of the page before, $2 only what was never handed out, $3 limit
select run_id, generation, seq, route, attempt, project_id, trace, bulk, entry
from work
where entry is not null and run_id > $1 and (deliveries = 0 or not $2)
order by run_id
limit $3
