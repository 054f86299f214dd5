-- evaluation_lock: those who want the same take turns, until the end of the transaction.
-- $1 wish
select pg_advisory_xact_lock(hashtext('cuelight.evaluations.' || $1))
