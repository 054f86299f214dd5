-- doctor_webhooks: endpoints where every attempt has failed for longer than $1 seconds, or that are gone.
select w.id, w.project_id as project, extract(epoch from clock_timestamp() - w.failing_since)::float8 as failing_s,
       w.disabled_at is not null as disabled,
       (select count(*) from webhook_deliveries d where d.webhook_id = w.id and d.state = 'waiting') as waiting
from webhooks w
where w.disabled_at is not null or w.failing_since < clock_timestamp() - make_interval(secs => $1)
order by w.id
