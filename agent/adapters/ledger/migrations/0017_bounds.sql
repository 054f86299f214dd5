-- A call that was answered without a word on its usage may have cost something, too: its bound is told like any other's.
-- A call that a budget did not let pass was none.
-- Only rows and the values of two columns change: a process of the release before goes on beside this one.

create or replace view costs as
select c.run_id, r.project_id, coalesce(r.key_id, '') as key_id, r.agent, c.model, c.endpoint, c.status,
       (c.asked_at at time zone 'UTC')::date as day, c.asked_at, c.input_tokens, c.cached_tokens, c.output_tokens,
       c.reasoning_tokens, c.cost_usd,
       case when c.cost_usd is null then c.worst_case_usd end as at_most_usd,
       c.cost_usd is null and c.worst_case_usd is null as unpriced
from calls c join runs r on r.id = c.run_id
where c.effect_type = 'call_model' and coalesce(c.error_kind, '') <> 'budget';
comment on column costs.at_most_usd is 'Of calls whose cost nobody told: they failed, are under way, were lost, or were answered without a bill.';
comment on column costs.unpriced is 'Neither its cost nor a bound is known: the model has no price.';
