-- pressure: how long the oldest work of each project and route has been due without being handed out, apart for what was
-- opened in the background.
select project_id as project, route, bulk, extract(epoch from clock_timestamp() - min(due_at))::float8 as oldest_s
from work where due_at <= clock_timestamp() and deliveries = 0
group by 1, 2, 3
