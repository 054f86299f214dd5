-- access_version: a word that changes whenever a project or a key does.
select version from access_version
