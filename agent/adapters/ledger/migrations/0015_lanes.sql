-- Work that nobody holds a connection for waits behind that of the same project that somebody waits for.
-- Only an addition: a process of the release before goes on beside this one, and opens runs that count as waited for.

alter table work add column bulk boolean not null default false;
comment on column work.bulk is 'Whether the run was opened in the background, or again: it goes behind those that somebody waits for.';
