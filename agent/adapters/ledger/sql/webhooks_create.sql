-- webhooks_create: puts an endpoint on record, and that on the audit; no row if its id is taken or there is no such project.
-- $1 id, $2 project, $3 url, $4 secret, $5 events, $6 by, $7 id of the audit's line
with made as (
    insert into webhooks (id, project_id, url, secret, events, created_by, created_at)
    select $1::text, p.id, $3, $4, $5::text[], $6::text, clock_timestamp() from projects p where p.id = $2
    on conflict (id) do nothing
    returning id, project_id
)
insert into audit (id, project_id, actor, action, subject) select $7, project_id, $6, 'create_webhook', id from made
returning subject
