-- retire_passages: passages that are no longer in their document; their rows stay for old citations.
-- $1 passage ids
update passages set current = false where id = any($1::text[])
