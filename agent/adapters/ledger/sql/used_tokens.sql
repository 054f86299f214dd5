-- used_tokens: what a project's calls that ended in the last minute used, by key and age in seconds.
-- $1 project
select r.key_id as key, floor(extract(epoch from statement_timestamp() - c.ended_at))::int as age_s,
       sum(c.input_tokens + c.output_tokens)::bigint as tokens
from runs r join calls c on c.run_id = r.id
where r.project_id = $1 and r.created_at > statement_timestamp() - interval '1 hour'
  and (r.ended_at is null or r.ended_at > statement_timestamp() - interval '90 seconds')
  and c.ended_at > statement_timestamp() - interval '60 seconds' and c.input_tokens + c.output_tokens > 0
group by 1, 2
