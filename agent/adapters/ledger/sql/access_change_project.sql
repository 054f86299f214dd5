-- access_change_project: gives a project what it may use and how much, with its line in the audit; no row if there is none.
-- $1 id, $2 name, $3 agents, $4 models, $5 requests a minute, $6 tokens a minute, $7 runs at once, $8 USD a day, $9 who,
-- $10 the audit's id
with changed as (
    update projects
    set name = $2, agents = $3, models = $4, requests_per_min = $5, tokens_per_min = $6, concurrent_runs = $7,
        usd_per_day = $8
    where id = $1
    returning id
), noted as (
    insert into audit (id, project_id, actor, action, subject) select $10, id, $9, 'change_project', id from changed
)
select id from changed
