-- backlog: open work by route: how much is due, to be tried later, in no stream yet, and handed out.
select route, count(*) as open,
       count(*) filter (where due_at <= clock_timestamp()) as due,
       count(*) filter (where due_at > clock_timestamp()) as postponed,
       count(*) filter (where due_at <= clock_timestamp() and entry is null) as unpublished,
       count(*) filter (where deliveries > 0) as under_way,
       extract(epoch from clock_timestamp() - min(due_at) filter (where due_at <= clock_timestamp()))::float8 as oldest_due_s
from work group by route order by route
