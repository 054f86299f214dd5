-- webhooks_lock: an endpoint, locked.
-- $1 id
select project_id from webhooks where id = $1 for update
