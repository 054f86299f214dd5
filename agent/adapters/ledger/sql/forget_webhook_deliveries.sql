-- forget_webhook_deliveries: removes deliveries that are older than they are kept, with their attempts; how many.
-- $1 kept for (seconds), $2 at most
with old as (
    select webhook_id, event_id from webhook_deliveries
    where happened_at < clock_timestamp() - make_interval(secs => $1)
      and (state <> 'waiting' or give_up_at < clock_timestamp() - interval '1 day')
    limit $2
), gone as (
    delete from webhook_deliveries d using old where d.webhook_id = old.webhook_id and d.event_id = old.event_id returning 1
)
select count(*) from gone
