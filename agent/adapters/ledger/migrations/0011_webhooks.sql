-- Endpoints of projects that are told of endings, and what they were told.
-- Only additions: a process of the release before goes on beside one of this release, and tells no endpoint.

alter table webhooks
    add column events text[],
    add column created_by text not null default '',
    add column failing_since timestamptz;
comment on column webhooks.secret is 'Signs what is sent. It is needed in clear for that, so it stands here and nowhere else.';
comment on column webhooks.events is 'The types of events that it is told; null for all of them.';
comment on column webhooks.failing_since is 'Since when every attempt has failed; null if the last one went well.';
comment on column webhooks.disabled_at is 'When it answered that it is gone for good; nothing is sent from then on.';
create index webhooks_by_project on webhooks (project_id);

-- Secrets that were replaced and still sign beside their successor.
create table webhook_secrets (
    id bigint generated always as identity primary key,
    webhook_id text not null references webhooks (id) on delete cascade,
    secret text not null,
    expires_at timestamptz not null
);
create index webhook_secrets_by_webhook on webhook_secrets (webhook_id);

-- One row per ending and endpoint, written in the transaction of the ending. No foreign key: an endpoint that is deleted at
-- the same moment must not keep a run from ending.
create table webhook_deliveries (
    webhook_id text not null,
    event_id text not null,
    run_id text not null,
    type text not null,
    happened_at timestamptz not null default clock_timestamp(),
    state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
    attempts int not null default 0,
    tries int not null default 0,
    due_at timestamptz not null default clock_timestamp(),
    give_up_at timestamptz not null default clock_timestamp() + interval '72 hours',
    token text,
    settled_at timestamptz,
    primary key (webhook_id, event_id)
);
comment on column webhook_deliveries.attempts is 'How often it was sent, counted from 1.';
comment on column webhook_deliveries.tries is 'The same since an operator last had it sent again: the delay grows with it.';
comment on column webhook_deliveries.due_at is 'When it is sent next; while it is being sent, when somebody else may.';
comment on column webhook_deliveries.token is 'Who is sending it.';
create index webhook_deliveries_due on webhook_deliveries (webhook_id, due_at) where state = 'waiting';
create index webhook_deliveries_by_time on webhook_deliveries (happened_at);

create table webhook_attempts (
    webhook_id text not null,
    event_id text not null,
    number int not null,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    status int,
    duration_ms int,
    error text not null default '',
    primary key (webhook_id, event_id, number),
    foreign key (webhook_id, event_id) references webhook_deliveries on delete cascade
);
comment on column webhook_attempts.ended_at is 'Null while it is being sent, and if whoever sent it died: nobody knows what came of it.';
comment on column webhook_attempts.error is 'A word for what went wrong; nothing that the endpoint sent is kept.';
