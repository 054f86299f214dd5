-- expired_instances: how many processes that were not heard of are older than they are kept.
-- $1 kept for (seconds)
select count(*) from instances where seen_at < clock_timestamp() - make_interval(secs => $1)
