-- webhooks_rotate: gives an endpoint another secret, and puts that on the audit. The earlier ones: see `webhooks_retire`.
-- $1 id, $2 secret, $3 by, $4 id of the audit's line
with changed as (update webhooks set secret = $2 where id = $1 returning id, project_id)
insert into audit (id, project_id, actor, action, subject) select $4, project_id, $3, 'rotate_webhook', id from changed
