-- outgoing_claim: takes deliveries that are due, for as long as a lease; of each endpoint a few, and of one that fails a
-- single one. The attempts are on record from here on: one whose sender died stays without an end.
-- $1 lease (seconds), $2 at most, $3 of each endpoint, $4 endpoints to leave out, $5 token
with due as (
    select w.id, d.event_id
    from webhooks w cross join lateral (
        select it.event_id, it.due_at from webhook_deliveries it
        where it.webhook_id = w.id and it.state = 'waiting' and it.due_at <= clock_timestamp()
        order by it.due_at limit case when w.failing_since is null then $3::int else 1 end
        for update of it skip locked
    ) d
    where w.disabled_at is null and w.id <> all($4::text[])
    order by d.due_at limit $2::int
), taken as (
    update webhook_deliveries d
    set attempts = d.attempts + 1, tries = d.tries + 1, token = $5,
        due_at = clock_timestamp() + make_interval(secs => $1)
    from due where d.webhook_id = due.id and d.event_id = due.event_id
    returning d.webhook_id, d.event_id, d.run_id, d.type, d.happened_at, d.attempts, d.tries
), noted as (
    insert into webhook_attempts (webhook_id, event_id, number) select webhook_id, event_id, attempts from taken
)
select t.webhook_id, t.event_id, t.run_id, t.type, t.happened_at, t.attempts, t.tries, w.url,
       w.failing_since is not null as failing,
       array(select s.secret from webhook_secrets s
             where s.webhook_id = w.id and s.expires_at > clock_timestamp() order by s.id desc) as earlier,
       w.secret
from taken t join webhooks w on w.id = t.webhook_id
order by t.happened_at, t.event_id
