-- passages: stored passages of a project, also those that have been replaced.
-- $1 project, $2 passage ids
select p.id, p.project_id, p.collection, p.document_id, p.heading, p.text, p.current, d.title, d.source, d.url
from passages p join documents d on d.id = p.document_id
where p.project_id = $1 and p.id = any($2::text[])
order by p.id
