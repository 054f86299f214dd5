-- changes: a page of what became of each passage between two versions, in the order of passage ids.
-- $1 project, $2 collection, $3 since (not included), $4 until (included), $5 after this passage id, $6 limit
select c.passage_id, c.op = 'add' as added, p.document_id, p.heading,
       case when c.op = 'add' then p.text else '' end as text, d.title, d.source, d.url, d.attributes
from (
    select distinct on (passage_id) passage_id, op from passage_changes
    where project_id = $1 and collection = $2 and version > $3 and version <= $4 and passage_id > $5
    order by passage_id, version desc
    limit $6
) c
join passages p on p.id = c.passage_id
join documents d on d.id = p.document_id
order by c.passage_id
