-- job_cancel: asks for the end of a job, with its line in the audit; one that nobody has begun ends at once.
-- $1 id, $2 who, $3 the audit's id
with asked as (
    update jobs
    set cancel_asked = true, state = case when state = 'queued' then 'cancelled' else state end,
        ended_at = case when state = 'queued' then clock_timestamp() end
    where id = $1 and state in ('queued', 'running') and not cancel_asked
    returning id
)
insert into audit (id, actor, action, subject) select $3, $2, 'job.cancel', id from asked
