-- waiting: how long the oldest work of each route has been due without being handed out.
select route, extract(epoch from clock_timestamp() - min(due_at))::float8 as oldest_s
from work where due_at <= clock_timestamp() and deliveries = 0
group by route
