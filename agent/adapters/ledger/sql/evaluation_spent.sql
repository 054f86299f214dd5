-- evaluation_spent: what the runs of an evaluation cost; calls whose cost nobody told, or that are under way, at their most.
-- $1 id
select coalesce(sum(coalesce(c.cost_usd, c.worst_case_usd, 0)), 0) as usd
from evaluation_lines l join calls c on c.run_id = l.run_id where l.evaluation_id = $1 and l.opened
