-- move_documents: unchanged documents that were now found under another root.
-- $1 project, $2 collection, $3 sources, $4 roots
update documents d set root = n.root
from unnest($3::text[], $4::text[]) as n (source, root)
where d.project_id = $1 and d.collection = $2 and d.source = n.source and d.root <> n.root
