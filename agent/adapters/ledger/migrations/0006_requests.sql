-- Requests that come again find their run: keys that end, and processes of every kind that say that they live.
-- Only additions: a process of the release before goes on beside one of this release.

create index idempotency_keys_by_end on idempotency_keys (expires_at);
create index idempotency_keys_by_run on idempotency_keys (run_id);

alter table instances drop constraint instances_kind_check;
alter table instances add constraint instances_kind_check check (kind in ('api', 'worker', 'relay', 'jobs'));
