-- deliveries: how often the work was begun where an entry says that it stands.
-- $1 run, $2 generation, $3 seq, $4 attempt
select coalesce(max(deliveries), 0) as deliveries
from work where run_id = $1 and generation = $2 and seq = $3 and attempt = $4
