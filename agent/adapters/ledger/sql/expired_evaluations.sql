-- expired_evaluations: how many evaluations are older than they are kept.
-- $1 kept for (seconds)
select count(*) from evaluations where created_at < clock_timestamp() - make_interval(secs => $1)
