-- What every call of a model cost, whatever became of it: by run, key, project, agent, model and day (UTC).

create view costs as
select c.run_id, r.project_id, coalesce(r.key_id, '') as key_id, r.agent, c.model, c.endpoint, c.status,
       (c.asked_at at time zone 'UTC')::date as day, c.asked_at, c.input_tokens, c.cached_tokens, c.output_tokens,
       c.reasoning_tokens, c.cost_usd,
       case when c.cost_usd is null and c.status in ('asked', 'unknown', 'failed') then c.worst_case_usd end as at_most_usd,
       c.cost_usd is null and (c.status = 'answered' or c.worst_case_usd is null) as unpriced
from calls c join runs r on r.id = c.run_id
where c.effect_type = 'call_model';
comment on view costs is 'Every call of a model: what it cost; where nobody knows, the most that it may have cost.';
comment on column costs.at_most_usd is 'Of calls that failed, are under way, or were lost, and whose cost nobody told.';
comment on column costs.unpriced is 'Neither its cost nor a bound is known: the endpoint told no usage, or the model has no price.';
