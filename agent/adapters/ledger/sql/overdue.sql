-- overdue: open runs past their deadline.
-- $1 limit
select run_id, generation, seq, route, attempt, project_id, trace
from work where deadline < clock_timestamp() order by deadline limit $1
