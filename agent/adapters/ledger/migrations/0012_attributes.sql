-- What a document is about, beside its text: searches can be narrowed to documents by it.

-- JSON: an object of arrays of texts, numbers and truth values.
alter table documents add column attributes text not null default '{}';
