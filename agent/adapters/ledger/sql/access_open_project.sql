-- access_open_project: opens a project, with its line in the audit; no row if the id is taken.
-- $1 id, $2 name, $3 agents, $4 models, $5 requests a minute, $6 tokens a minute, $7 runs at once, $8 USD a day, $9 who,
-- $10 the audit's id
with opened as (
    insert into projects (id, name, agents, models, requests_per_min, tokens_per_min, concurrent_runs, usd_per_day)
    values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing
    returning id
), noted as (
    insert into audit (id, project_id, actor, action, subject) select $10, id, $9, 'create_project', id from opened
)
select id from opened
