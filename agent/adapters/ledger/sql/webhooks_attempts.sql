-- webhooks_attempts: every attempt at a delivery.
-- $1 id of the endpoint, $2 event
select number, began_at, ended_at, status, duration_ms, error
from webhook_attempts where webhook_id = $1 and event_id = $2 order by number
