-- The library: documents, the passages they were cut into, and a log of changes that every worker's index follows.

-- `version` is given out under this row's lock: one writer at a time, no gaps, in commit order.
-- `epoch` tells a collection from another of the same name that was there before it, or in another database.
create table collections (
    project_id text not null references projects (id),
    name text not null,
    epoch text not null default gen_random_uuid()::text,
    version bigint not null default 0,
    created_at timestamptz not null default now(),
    primary key (project_id, name)
);

-- A removed document stays as a row, so that old citations can still name it.
create table documents (
    id text primary key,
    project_id text not null,
    collection text not null,
    source text not null,
    root text not null,
    title text not null,
    url text,
    content_hash text not null,
    ingested_at timestamptz not null default now(),
    removed_at timestamptz,
    unique (project_id, collection, source),
    foreign key (project_id, collection) references collections (project_id, name)
);

-- Text never changes under an id: the id is made from it. A passage that is not current stays, for old citations.
create table passages (
    id text primary key,
    project_id text not null,
    collection text not null,
    document_id text not null references documents (id),
    ordinal int not null,
    heading text not null,
    text text not null,
    start_char int not null,
    end_char int not null,
    current boolean not null default true,
    created_at timestamptz not null default now(),
    foreign key (project_id, collection) references collections (project_id, name)
);
create index passages_by_document on passages (document_id);

-- What a search index has to do to go from one version to a later one.
create table passage_changes (
    project_id text not null,
    collection text not null,
    version bigint not null,
    passage_id text not null references passages (id),
    op text not null check (op in ('add', 'remove')),
    primary key (project_id, collection, version, passage_id),
    foreign key (project_id, collection) references collections (project_id, name)
);

-- For people with psql: the operators' read interface.
create view library as
    select c.project_id, c.name as collection, c.version,
           count(distinct d.id) filter (where d.removed_at is null) as documents,
           count(p.id) filter (where p.current) as passages,
           count(p.id) filter (where not p.current) as replaced_passages,
           max(d.ingested_at) as last_ingested_at
    from collections c
    left join documents d on d.project_id = c.project_id and d.collection = c.name
    left join passages p on p.document_id = d.id
    group by 1, 2, 3;
comment on view library is 'Every collection: its version, its documents and passages, and when it last changed.';
