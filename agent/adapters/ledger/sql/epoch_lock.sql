-- epoch_lock: what the ledger knows of Redis, for the one relay that looks now; no row while another one does, or if one
-- did a moment ago.
-- $1 seconds within which one look is enough
select epoch, mark, server, losses from transport
where id = 1 and seen_at <= clock_timestamp() - make_interval(secs => $1)
for update skip locked
