-- job_lost: open jobs that nobody works on, the oldest first.
-- $1 lease (seconds)
select id from jobs
where state = 'queued' or (state = 'running' and seen_at < clock_timestamp() - make_interval(secs => $1))
order by created_at
