-- documents: what is in a collection now.
-- $1 project, $2 collection
select source, root, content_hash from documents
where project_id = $1 and collection = $2 and removed_at is null
