-- move_on: give out the collection's next version; the caller holds its lock.
-- $1 project, $2 collection
update collections set version = version + 1 where project_id = $1 and name = $2 returning version
