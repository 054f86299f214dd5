-- used_tokens: what a project's calls that ended in the last minute used, by key and age in seconds. They belong to runs
-- that are open, or began within the last quarter of an hour.
-- $1 project
with lately as (
    select r.id, r.key_id from runs r
    where r.project_id = $1 and r.created_at > statement_timestamp() - interval '15 minutes'
      and (r.ended_at is null or r.ended_at > statement_timestamp() - interval '90 seconds')
    union
    select r.id, r.key_id from work w join runs r on r.id = w.run_id where w.project_id = $1
)
select r.key_id as key, floor(extract(epoch from statement_timestamp() - c.ended_at))::int as age_s,
       sum(c.input_tokens + c.output_tokens)::bigint as tokens
from lately r join calls c on c.run_id = r.id
where c.ended_at > statement_timestamp() - interval '60 seconds' and c.input_tokens + c.output_tokens > 0
group by 1, 2
