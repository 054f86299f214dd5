-- Forgetting: which runs' texts are to be removed, and which responses grow old. Only additions.
create index runs_to_purge on runs (id) where purged_at is null and (purge_asked_at is not null or not store);
create index runs_kept on runs (created_at) where store and purge_asked_at is null;
