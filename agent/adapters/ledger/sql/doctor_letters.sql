-- doctor_letters: open dead letters by kind and route.
select kind, route, count(*) as count, extract(epoch from clock_timestamp() - min(created_at))::float8 as oldest_s
from dead_letters where settled_at is null group by kind, route
