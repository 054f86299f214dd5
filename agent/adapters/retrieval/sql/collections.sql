-- collections: those of these names that a project has a collection of.
-- $1 project, $2 names
select name from collections where project_id = $1 and name = any($2::text[])
