-- put_passages: add passages, or make them current again and move them to their new place. Text never changes.
-- $1 project, $2 collection, $3 ids, $4 document ids, $5 ordinals, $6 headings, $7 texts, $8 starts, $9 ends
insert into passages (id, project_id, collection, document_id, ordinal, heading, text, start_char, end_char)
select n.id, $1, $2, n.document_id, n.ordinal, n.heading, n.text, n.start_char, n.end_char
from unnest($3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::int[], $9::int[])
    as n (id, document_id, ordinal, heading, text, start_char, end_char)
on conflict (id) do update set
    ordinal = excluded.ordinal, heading = excluded.heading, start_char = excluded.start_char,
    end_char = excluded.end_char, current = true
