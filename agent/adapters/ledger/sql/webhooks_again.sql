-- webhooks_again: has deliveries sent now, with all their time before them: one, or all that did not arrive. An endpoint
-- that was disabled is told again.
-- $1 id, $2 event (null: all that did not arrive), $3 by, $4 id of the audit's line
with told as (
    update webhooks set disabled_at = null where id = $1 returning id, project_id
), audited as (
    insert into audit (id, project_id, actor, action, subject, detail)
    select $4, project_id, $3, 'retry_webhook', id, coalesce($2::text, '') from told
)
update webhook_deliveries d
set state = 'waiting', tries = 0, due_at = clock_timestamp(), give_up_at = clock_timestamp() + interval '72 hours',
    token = null, settled_at = null
from told
where d.webhook_id = told.id and ($2::text is null and d.state <> 'delivered' or d.event_id = $2)
returning d.event_id
