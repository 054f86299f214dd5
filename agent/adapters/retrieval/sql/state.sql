-- state: what a collection's copies are compared with.
-- $1 project, $2 collection
select epoch, version from collections where project_id = $1 and name = $2
