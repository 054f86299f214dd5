-- feed_read: events after the cursor that no transaction still running can precede. Order holds within a run.
-- $1 tx, $2 run, $3 generation, $4 seq, $5 limit
select e.tx::text as tx, e.run_id, e.generation, e.seq, e.type, e.version, e.data, e.agent, e.prompt, e.trace, e.at,
       r.project_id
from events e join runs r on r.id = e.run_id
where e.tx >= $1::text::xid8 and e.tx < pg_snapshot_xmin(pg_current_snapshot())
  and (e.tx, e.run_id, e.generation, e.seq) > ($1::text::xid8, $2::text, $3::int, $4::int)
order by e.tx, e.run_id, e.generation, e.seq
limit $5
