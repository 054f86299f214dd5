-- notes: lines of the audit about runs, in the transaction of what they tell.
-- $1 the audit's ids, $2 projects, $3 who, $4 what, $5 runs, $6 details
insert into audit (id, project_id, actor, action, subject, detail)
select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
