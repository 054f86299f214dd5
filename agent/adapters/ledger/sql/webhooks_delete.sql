-- webhooks_delete: removes an endpoint with all that was to be sent to it, and puts that on the audit.
-- $1 id, $2 by, $3 id of the audit's line
with gone as (
    delete from webhooks where id = $1 returning id, project_id
), dropped as (
    delete from webhook_deliveries d using gone where d.webhook_id = gone.id
)
insert into audit (id, project_id, actor, action, subject) select $3, project_id, $2, 'delete_webhook', id from gone
returning subject
