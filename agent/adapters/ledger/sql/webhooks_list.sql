-- webhooks_list: endpoints without their secrets, the oldest first, with what waits for them and what was given up.
-- $1 project (null: all), $2 id (null: all)
select w.id, w.project_id as project, w.url, w.events, w.created_at, w.disabled_at, w.failing_since,
       (select max(s.expires_at) from webhook_secrets s
        where s.webhook_id = w.id and s.expires_at > clock_timestamp()) as rotating_until,
       count(*) filter (where d.state = 'waiting') as waiting,
       count(*) filter (where d.state = 'failed') as failed
from webhooks w left join webhook_deliveries d on d.webhook_id = w.id and d.state <> 'delivered'
where ($1::text is null or w.project_id = $1) and ($2::text is null or w.id = $2)
group by w.id
order by w.created_at, w.id
