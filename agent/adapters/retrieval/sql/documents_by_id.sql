-- documents_by_id: what readers were shown of documents that are on record; the caller holds the collection's lock.
-- $1 document ids
select id, title, url, attributes from documents where id = any($1::text[])
