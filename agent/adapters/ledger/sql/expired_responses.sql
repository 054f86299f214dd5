-- expired_responses: how many responses are older than they are kept.
-- $1 kept for (seconds)
select count(*) from runs
where store and purge_asked_at is null and created_at < clock_timestamp() - make_interval(secs => $1)
  and purged_at is null and ended_at is not null
