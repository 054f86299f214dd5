-- webhooks_deliveries: what an endpoint was told or is to be told, the newest first, each with how its last attempt ended.
-- $1 id, $2 at most
select d.event_id as event, d.run_id as run, d.type, d.state, d.happened_at, d.attempts, a.status, a.error,
       case when d.state = 'waiting' then d.due_at end as due_at
from webhook_deliveries d
left join webhook_attempts a on a.webhook_id = d.webhook_id and a.event_id = d.event_id and a.number = d.attempts
where d.webhook_id = $1
order by d.happened_at desc, d.event_id desc limit $2
