-- expired_audit: how many lines of the audit are older than they are kept.
-- $1 kept for (seconds)
select count(*) from audit where at < clock_timestamp() - make_interval(secs => $1)
