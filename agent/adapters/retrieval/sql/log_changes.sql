-- log_changes: what a version changed.
-- $1 project, $2 collection, $3 version, $4 passage ids, $5 ops
insert into passage_changes (project_id, collection, version, passage_id, op)
select $1, $2, $3, n.passage_id, n.op from unnest($4::text[], $5::text[]) as n (passage_id, op)
