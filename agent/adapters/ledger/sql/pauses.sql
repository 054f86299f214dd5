-- pauses: what an operator has stopped.
select scope, reason, by, at from pauses order by at, scope
