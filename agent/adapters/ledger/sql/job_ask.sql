-- job_ask: opens a job unless an open one wants the same, and puts it on the audit; no row if there is one.
-- $1 id, $2 kind, $3 arguments, $4 asked by, $5 total, $6 the audit's id
with opened as (
    insert into jobs (id, kind, arguments, asked_by, total)
    select $1, $2, $3, $4, $5
    where not exists (select from jobs where kind = $2 and arguments = $3 and state in ('queued', 'running'))
    returning id, kind, arguments, asked_by, state, done, total, place, result, cancel_asked, created_at, started_at, seen_at, ended_at,
       holder
), noted as (
    insert into audit (id, actor, action, subject, detail) select $6, asked_by, 'job.' || kind, id, arguments from opened
)
select * from opened
