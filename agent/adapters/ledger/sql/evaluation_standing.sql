-- evaluation_standing: how many runs of an evaluation stand how; no status for lines whose run is not open yet.
-- $1 id
select r.status, count(*)::int as count
from evaluation_lines l left join runs r on l.opened and r.id = l.run_id
where l.evaluation_id = $1 group by 1
