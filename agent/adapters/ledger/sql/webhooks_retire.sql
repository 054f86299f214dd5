-- webhooks_retire: the secrets of an endpoint sign no longer than for the grace; those that do not any more are removed.
-- $1 id, $2 grace (seconds)
with ended as (
    delete from webhook_secrets where webhook_id = $1 and (expires_at <= clock_timestamp() or $2::float8 <= 0)
), shortened as (
    update webhook_secrets set expires_at = least(expires_at, clock_timestamp() + make_interval(secs => $2::float8))
    where webhook_id = $1 and expires_at > clock_timestamp() and $2::float8 > 0
)
insert into webhook_secrets (webhook_id, secret, expires_at)
select id, secret, clock_timestamp() + make_interval(secs => $2::float8) from webhooks where id = $1 and $2::float8 > 0
