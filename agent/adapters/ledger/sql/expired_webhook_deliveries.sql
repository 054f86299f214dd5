-- expired_webhook_deliveries: how many deliveries that are settled, or that nobody sends any more, are older than they are kept.
-- $1 kept for (seconds)
select count(*) from webhook_deliveries
where happened_at < clock_timestamp() - make_interval(secs => $1)
  and (state <> 'waiting' or give_up_at < clock_timestamp() - interval '1 day')
