-- approvals_note: a decision's line in the audit.
-- $1 the audit's id, $2 project, $3 who, $4 approve or deny, $5 run, $6 detail
insert into audit (id, project_id, actor, action, subject, detail) values ($1, $2, $3, $4, $5, $6)
