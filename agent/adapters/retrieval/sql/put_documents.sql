-- put_documents: add documents or bring them up to date.
-- $1 project, $2 collection, $3 ids, $4 sources, $5 roots, $6 titles, $7 urls, $8 content hashes, $9 attributes
insert into documents (id, project_id, collection, source, root, title, url, content_hash, attributes)
select n.id, $1, $2, n.source, n.root, n.title, n.url, n.content_hash, n.attributes
from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    as n (id, source, root, title, url, content_hash, attributes)
on conflict (id) do update set
    root = excluded.root, title = excluded.title, url = excluded.url, content_hash = excluded.content_hash,
    attributes = excluded.attributes, ingested_at = now(), removed_at = null
