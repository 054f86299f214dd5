-- open_collection: make sure that a collection is there.
-- $1 project, $2 collection
insert into collections (project_id, name) values ($1, $2) on conflict do nothing
