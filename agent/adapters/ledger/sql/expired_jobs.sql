-- expired_jobs: how many jobs that ended are older than they are kept.
-- $1 kept for (seconds)
select count(*) from jobs where state not in ('queued', 'running') and ended_at < clock_timestamp() - make_interval(secs => $1)
