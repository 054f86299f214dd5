-- Projects and their keys: who may ask, for what, and how much of it.
-- Only additions: a process of the release before goes on beside one of this release.

alter table projects
    add column agents text[],
    add column models text[],
    add column requests_per_min int,
    add column tokens_per_min bigint,
    add column concurrent_runs int,
    add column usd_per_day numeric,
    add column link_secret bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
comment on column projects.agents is 'The agents that the project may use; null for all of them.';
comment on column projects.models is 'The models that the project may use; null for all of them.';
comment on column projects.link_secret is 'Signs the links to passages, which open in a browser without a key.';

alter table api_keys
    add column hint text not null default '',
    add column expires_at timestamptz,
    add column created_by text not null default '',
    add column requests_per_min int,
    add column tokens_per_min bigint,
    add column concurrent_runs int,
    add column usd_per_day numeric;
comment on column api_keys.hash is 'SHA-256 of the key, which is random and of more than 256 bits.';
comment on column api_keys.hint is 'The beginning of the key, which is no secret.';
comment on column api_keys.revoked_at is 'From when on the key is refused; later than now while it is being replaced.';

alter table runs add column key_id text;
comment on column runs.key_id is 'The key that the run was asked for with; null where none was needed.';

-- Every API process keeps a copy of projects and keys, and reads them again when this changes.
create table access_version (
    id int primary key default 1 check (id = 1),
    version text not null default gen_random_uuid()::text
);
insert into access_version default values;

create function access_changed() returns trigger language plpgsql as $$
begin
    update access_version set version = gen_random_uuid()::text;
    return null;
end $$;
create trigger projects_changed after insert or update or delete on projects
    for each statement execute function access_changed();
create trigger api_keys_changed after insert or update or delete on api_keys
    for each statement execute function access_changed();
