-- kept_prompt: the sources of an archived prompt version.
-- $1 name, $2 version
select sources from prompts where name = $1 and version = $2
