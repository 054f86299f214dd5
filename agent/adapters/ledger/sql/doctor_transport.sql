-- doctor_transport: what the ledger knows of Redis, since when nobody compared the two, how long ago Redis lost something
-- last, and how long the audit has been due that follows on a loss (both null if there is none).
select epoch, mark, server, losses,
       extract(epoch from clock_timestamp() - seen_at)::float8 as looked_s,
       extract(epoch from clock_timestamp() - lost_at)::float8 as lost_s,
       extract(epoch from clock_timestamp() - audit_at)::float8 as audit_due_s
from transport where id = 1
