-- outgoing_record: what came of an attempt. An arrival counts whoever sent it; a failure only if nobody else has taken the
-- delivery since. It is given up when its next time would come too late. Tells how it stands now.
-- $1 endpoint, $2 event, $3 number, $4 token, $5 status, $6 duration in ms, $7 error, $8 arrived, $9 gone, $10 delay (seconds)
with noted as (
    update webhook_attempts set ended_at = clock_timestamp(), status = $5, duration_ms = $6, error = $7
    where webhook_id = $1 and event_id = $2 and number = $3
), endpoint as (
    update webhooks
    set failing_since = case when not $8 then coalesce(failing_since, clock_timestamp()) end,
        disabled_at = case when $9 then coalesce(disabled_at, clock_timestamp()) else disabled_at end
    where id = $1 and ((failing_since is null) <> $8 or $9)
)
update webhook_deliveries
set state = case when $8 then 'delivered'
                 when clock_timestamp() + make_interval(secs => $10) >= give_up_at then 'failed' else 'waiting' end,
    settled_at = case when $8 or clock_timestamp() + make_interval(secs => $10) >= give_up_at then clock_timestamp() end,
    due_at = clock_timestamp() + make_interval(secs => $10), token = null
where webhook_id = $1 and event_id = $2 and state = 'waiting' and ($8 or token = $4)
returning state
