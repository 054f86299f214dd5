-- around: passages with those that stand near them in their documents now, in the order of the documents.
-- $1 project, $2 collection, $3 passage ids, $4 how far to either side
select p.id as passage_id, p.document_id, p.ordinal, p.heading, p.text, d.title, d.source, d.url
from passages p
join documents d on d.id = p.document_id
where p.current and p.project_id = $1 and p.collection = $2 and exists (
    select from passages h
    where h.id = any($3::text[]) and h.current and h.document_id = p.document_id
      and p.ordinal between h.ordinal - $4 and h.ordinal + $4
)
order by p.document_id, p.ordinal
