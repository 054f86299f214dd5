-- remove_documents: take documents out of a collection; their rows stay.
-- $1 project, $2 collection, $3 sources
update documents set removed_at = now()
where project_id = $1 and collection = $2 and source = any($3::text[]) and removed_at is null
returning id
