-- lock_collection: become the collection's only writer until the transaction ends.
-- $1 project, $2 collection
select version from collections where project_id = $1 and name = $2 for update
