-- used_usd: what a project's calls cost, by key and by the minute in which they were asked, from a minute on. A call whose
-- cost nobody told counts with the most that it may have cost. Runs that take longer than half an hour are not looked for,
-- unless they are open.
-- $1 project, $2 minute (since 1970) to begin with
with lately as (
    select r.id, r.key_id from runs r
    where r.project_id = $1 and r.created_at > to_timestamp($2::bigint * 60) - interval '30 minutes'
      and (r.ended_at is null or r.ended_at >= to_timestamp($2::bigint * 60))
    union
    select r.id, r.key_id from work w join runs r on r.id = w.run_id where w.project_id = $1
)
select r.key_id as key, floor(extract(epoch from c.asked_at) / 60)::bigint as minute,
       sum(coalesce(c.cost_usd, c.worst_case_usd, 0)) as usd
from lately r join calls c on c.run_id = r.id
where c.asked_at >= to_timestamp($2::bigint * 60)
group by 1, 2
