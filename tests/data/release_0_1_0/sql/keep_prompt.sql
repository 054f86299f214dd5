-- keep_prompt: archives a prompt version; its sources never change.
-- $1 name, $2 version, $3 sources
insert into prompts (name, version, sources) values ($1, $2, $3) on conflict (name, version) do nothing
