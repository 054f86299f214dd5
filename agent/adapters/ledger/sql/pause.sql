-- pause: stops a scope, with its line in the audit; no row if it is stopped already.
-- $1 scope, $2 reason, $3 who, $4 the audit's id
with placed as (
    insert into pauses (scope, reason, by) values ($1, $2, $3) on conflict (scope) do nothing
    returning scope, reason, by
), noted as (
    insert into audit (id, actor, action, subject, detail) select $4, by, 'pause', scope, reason from placed
)
select scope from placed
