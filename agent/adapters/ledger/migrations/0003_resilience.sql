-- What survives everything else: retries that find their run, pauses, jobs, who is alive, and whether Redis came back.
-- Only additions: a process of the release before goes on beside one of this release.

alter table runs
    add column fingerprint bytea,
    add column holder text,
    add column delivered_at timestamptz,
    add column cancelled_by text,
    add column purge_asked_at timestamptz,
    add column purged_at timestamptz;
comment on column runs.fingerprint is 'Hash of the caller''s key and body: a retry without an idempotency key is known by it.';
comment on column runs.holder is 'The API process and connection that waits for this run; null once it has let go.';
comment on column runs.delivered_at is 'When the ending was handed to a client, so that a later retry starts anew.';
comment on column runs.purge_asked_at is 'When the text of this run was asked to be forgotten; it is once the run has ended.';
comment on column runs.purged_at is 'When every text of this run was removed from the ledger.';
create index runs_by_fingerprint on runs (project_id, fingerprint, created_at desc) where fingerprint is not null;

-- One row per process that lives: each writes its own every second.
create table instances (
    id text primary key,
    kind text not null check (kind in ('api', 'worker')),
    release text not null,
    started_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- What the ledger knows of the Redis that it used last: a server that forgot, or went back in time, shows here.
create table transport (
    id int primary key default 1 check (id = 1),
    epoch text not null default '',
    server text not null default '',
    mark bigint not null default 0,
    losses int not null default 0,
    lost_at timestamptz,
    seen_at timestamptz not null default clock_timestamp()
);
insert into transport default values;

-- What an operator has stopped: `intake`, or `route:NAME`.
create table pauses (
    scope text primary key,
    reason text not null default '',
    by text not null,
    at timestamptz not null default clock_timestamp()
);

-- Long work of operators: bulk replays, retention. RQ runs them; what is true of them stands here.
create table jobs (
    id text primary key,
    kind text not null,
    arguments text not null,
    asked_by text not null,
    state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    done int not null default 0,
    total int,
    place text not null default '',
    result text not null default '',
    cancel_asked boolean not null default false,
    created_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    seen_at timestamptz,
    ended_at timestamptz
);
create index jobs_open on jobs (created_at) where state in ('queued', 'running');
comment on column jobs.place is 'How far the job has come: it goes on from here after a crash.';

alter table dead_letters add column settled_as text check (settled_as in ('replayed', 'discarded'));
create index dead_letters_by_run on dead_letters (run_id);

-- A dead letter carries its whole story, so that it can be read when the run's own rows are gone.
alter table dead_letters
    add column agent text not null default '',
    add column history text not null default '{}',
    add column raw bytea;
comment on column dead_letters.history is 'JSON: every attempt and call of the run''s generation, with errors, times and cost.';
comment on column dead_letters.raw is 'The entry as it stood in the stream: names and values, each with its length before it.';

alter table runs add column reopened_at timestamptz;
comment on column runs.reopened_at is 'When an operator''s replay opened the newest generation; null for the first.';

alter table jobs add column holder text;
comment on column jobs.holder is 'The process that works on the job; another may take it over once it was not seen for a while.';
