-- passages_of: the current passages of documents.
-- $1 document ids
select id, document_id, heading from passages where document_id = any($1::text[]) and current
