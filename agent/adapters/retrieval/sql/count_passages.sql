-- count_passages: how many passages of a collection can be found now.
-- $1 project, $2 collection
select count(*) from passages where project_id = $1 and collection = $2 and current
