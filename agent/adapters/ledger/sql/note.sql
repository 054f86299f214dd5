-- note: puts what an operator did on the audit, where it changed nothing in the ledger itself.
-- $1 the audit's id, $2 who, $3 action, $4 subject
insert into audit (id, actor, action, subject) values ($1, $2, $3, $4) returning id
