-- doctor_instances: the processes that said that they live.
select id, kind, extract(epoch from clock_timestamp() - started_at)::float8 as started_s,
       extract(epoch from clock_timestamp() - seen_at)::float8 as seen_s
from instances
