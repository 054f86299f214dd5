-- epoch_lock: what the ledger knows of Redis, for the one relay that looks now; no row while another one does, or if one
-- did a moment ago. A relay that is frozen while it looks keeps the others from it no longer than $2.
-- $1 seconds within which one look is enough, $2 milliseconds
select epoch, mark, server, losses, set_config('idle_in_transaction_session_timeout', $2, true) as patience
from transport
where id = 1 and seen_at <= clock_timestamp() - make_interval(secs => $1)
for update skip locked
