-- resume: lets a scope go on, with its line in the audit; no row if it was not stopped.
-- $1 scope, $2 who, $3 the audit's id
with lifted as (
    delete from pauses where scope = $1 returning scope, reason
), noted as (
    insert into audit (id, actor, action, subject, detail) select $3, $2, 'resume', scope, reason from lifted
)
select scope from lifted
