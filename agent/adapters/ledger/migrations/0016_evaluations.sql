-- Evaluations: which runs a data set wants opened, and which it has. What was asked and answered stands with the runs.

create table evaluations (
    id text primary key,
    wish text not null,
    plan text not null,
    total int not null,
    created_at timestamptz not null default clock_timestamp(),
    told_at timestamptz
);
create index evaluations_by_wish on evaluations (wish, created_at) where told_at is null;
comment on column evaluations.wish is 'Hash of what is wanted: whoever wants the same meanwhile gets this one.';
comment on column evaluations.plan is 'JSON: what the runs of all lines have in common.';
comment on column evaluations.told_at is 'When somebody was told how it ended: the same wish begins another one from then on.';

create table evaluation_lines (
    evaluation_id text not null references evaluations on delete cascade,
    number int not null,
    run_id text not null,
    opened boolean not null default false,
    request text not null,
    trace text not null default '',
    primary key (evaluation_id, number)
);
create index evaluation_lines_waiting on evaluation_lines (evaluation_id, number) where not opened;
comment on column evaluation_lines.request is 'What its run asks; empty once the run is open, which keeps it.';
