-- The ledger: what was asked, what happened, where the work stands, and what it cost.
-- Keys begin with the run, whose id begins with its day of creation, so that the large tables can be partitioned by it.
-- Bodies are text, not jsonb: bytes are a promise, and jsonb gives other bytes back than it was given.

create table projects (
    id text primary key,
    name text not null,
    created_at timestamptz not null default now()
);
insert into projects (id, name) values ('default', 'Default');

create table api_keys (
    id text primary key,
    project_id text not null references projects (id),
    name text not null,
    hash bytea not null unique,
    role text not null check (role in ('user', 'operator')),
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

-- One row per response.
create table runs (
    id text primary key,
    project_id text not null references projects (id),
    generation int not null default 1,
    agent text not null,
    agent_version text not null,
    prompts text not null,
    request text not null,
    store boolean not null default true,
    status text not null default 'in_progress',
    ending_type text,
    ending_version int,
    ending text,
    input_tokens bigint not null default 0,
    cached_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    reasoning_tokens bigint not null default 0,
    cost_usd numeric,
    calls int not null default 0,
    attempts int not null default 0,
    trace text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    deadline timestamptz not null,
    ended_at timestamptz
) with (fillfactor = 80);
create index runs_by_project on runs (project_id, created_at desc);

-- Unpartitioned, so that a key is unique for as long as it lives.
create table idempotency_keys (
    project_id text not null references projects (id),
    key text not null,
    run_id text not null,
    body_hash bytea not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (project_id, key)
);

-- Append-only: the timeline of a run. `tx` lets the one who copies it out read in an order that skips no late commit.
create table events (
    run_id text not null,
    generation int not null,
    seq int not null,
    type text not null,
    version int not null,
    data text not null,
    agent text not null default '',
    prompt text not null default '',
    trace text not null default '',
    at timestamptz not null default clock_timestamp(),
    tx xid8 not null default pg_current_xact_id(),
    primary key (run_id, generation, seq)
);
create index events_by_tx on events (tx);

-- One row per open run: where its work stands. It is the fence and the outbox.
-- No secondary index and a low fill factor keep its updates in place (HOT); sweeps scan it.
create table work (
    run_id text primary key,
    generation int not null,
    seq int not null,
    route text not null,
    attempt int not null default 1,
    deliveries int not null default 0,
    project_id text not null,
    trace text not null default '',
    due_at timestamptz not null default clock_timestamp(),
    deadline timestamptz not null,
    entry text,
    published_at timestamptz
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- One row per delivery that a worker opened, won or lost.
create table attempts (
    token text primary key,
    run_id text not null,
    generation int not null,
    seq int not null,
    route text not null,
    attempt int not null,
    delivery int not null,
    worker text not null default '',
    entry text not null default '',
    outcome text,
    settled boolean,
    error_kind text,
    error text,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz
) with (fillfactor = 80);
create index attempts_by_run on attempts (run_id, generation, seq);

-- One row per question to the world inside an attempt: the intent of a paid one stands here before it is made.
create table calls (
    id text primary key,
    token text not null,
    run_id text not null,
    generation int not null,
    seq int not null,
    effect_type text not null,
    effect_hash text not null,
    occurrence int not null,
    effect text not null,
    status text not null check (status in ('asked', 'answered', 'failed', 'unknown')),
    model text not null default '',
    endpoint text not null default '',
    prompt text not null default '',
    prompt_hash text not null default '',
    worst_case_usd numeric,
    answer text,
    error_kind text,
    error text,
    input_tokens bigint not null default 0,
    cached_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    reasoning_tokens bigint not null default 0,
    cost_usd numeric,
    duration_ms double precision,
    asked_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz
) with (fillfactor = 70);
create index calls_by_run on calls (run_id, generation, seq);

create table dead_letters (
    id text primary key,
    run_id text,
    generation int,
    seq int,
    route text not null,
    attempt int,
    kind text not null,
    reason text not null,
    body text not null,
    created_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz,
    settled_by text
);
create index dead_letters_open on dead_letters (created_at) where settled_at is null;

-- The sources of every prompt version that a run started with, so that the run can keep it.
create table prompts (
    name text not null,
    version text not null,
    sources text not null,
    created_at timestamptz not null default now(),
    primary key (name, version)
);

-- How far the feed has been written: the last event that stands in the stream.
create table feed_cursor (
    id int primary key default 1 check (id = 1),
    tx xid8 not null default '0',
    run_id text not null default '',
    generation int not null default 0,
    seq int not null default 0,
    at timestamptz not null default now()
);
insert into feed_cursor default values;

create table webhooks (
    id text primary key,
    project_id text not null references projects (id),
    url text not null,
    secret text not null,
    created_at timestamptz not null default now(),
    disabled_at timestamptz
);

create table audit (
    id text primary key,
    project_id text,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null default '',
    at timestamptz not null default clock_timestamp()
);

-- For people with psql: the operators' read interface.
create view open_work as
    select w.run_id, r.agent, w.route, w.seq, w.attempt, w.deliveries, w.due_at, w.deadline, w.entry,
           clock_timestamp() - r.created_at as age
    from work w join runs r on r.id = w.run_id;
comment on view open_work is 'Every open run: where its work stands, when it is due, how old the run is.';

create view spending as
    select r.project_id, c.model, c.endpoint, c.status, date_trunc('day', c.asked_at) as day,
           count(*) as calls, sum(c.input_tokens) as input_tokens, sum(c.output_tokens) as output_tokens,
           sum(c.cost_usd) as cost_usd, sum(c.worst_case_usd) filter (where c.status = 'unknown') as unknown_at_most_usd
    from calls c join runs r on r.id = c.run_id
    where c.effect_type = 'call_model'
    group by 1, 2, 3, 4, 5;
comment on view spending is 'Model calls by project, model, endpoint, status and day; failed and unknown ones included.';
