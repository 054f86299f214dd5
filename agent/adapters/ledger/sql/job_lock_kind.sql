-- job_lock_kind: those who open jobs of one kind take turns, until the end of the transaction.
-- $1 kind
select pg_advisory_xact_lock(hashtext('cuelight.jobs.' || $1))
