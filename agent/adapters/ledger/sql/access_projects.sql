-- access_projects: all projects.
select id, name, agents, models, requests_per_min, tokens_per_min, concurrent_runs, usd_per_day, link_secret
from projects order by id
