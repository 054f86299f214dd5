-- runs: a page of runs of all projects, the newest first; ids sort by the time they were given. The class of a failure is
-- cut out of the ending's text: a cast to JSON would let one broken ending spoil the whole list.
-- $1 status, $2 agent, $3 route, $4 error class, $5 older than, $6 younger than (seconds), $7 before this id, $8 limit
select r.id, r.project_id as project, r.agent, r.generation, r.status, r.created_at, r.ended_at,
       extract(epoch from clock_timestamp() - r.created_at)::float8 as age_s,
       extract(epoch from r.ended_at - coalesce(r.reopened_at, r.created_at))::float8 as took_s,
       case when r.ended_at is null then extract(epoch from r.deadline - clock_timestamp())::float8 end as left_s,
       w.route, w.attempt, w.deliveries,
       extract(epoch from w.due_at - clock_timestamp())::float8 as due_in_s,
       coalesce(f.code, met.error_kind) as error_class,
       (select count(*) from calls c
        where c.run_id = r.id and c.effect_type = 'call_model' and coalesce(c.error_kind, '') <> 'budget') as calls,
       case when r.ended_at is not null then r.cost_usd
            else (select sum(coalesce(c.cost_usd, c.worst_case_usd)) from calls c where c.run_id = r.id) end as cost_usd
from runs r
left join work w on w.run_id = r.id
left join lateral (
    select substring(r.ending from '"code" *: *"([^"]*)"') as code
) f on r.status not in ('in_progress', 'completed', 'incomplete')
left join lateral (
    select a.error_kind from attempts a
    where a.run_id = r.id and a.generation = r.generation and a.error_kind is not null
    order by a.seq desc, a.began_at desc limit 1
) met on r.status <> 'completed'
where ($1::text is null or r.status = $1) and ($2::text is null or r.agent = $2) and ($3::text is null or w.route = $3)
  and ($5::float8 is null or r.created_at < clock_timestamp() - make_interval(secs => $5))
  and ($6::float8 is null or r.created_at > clock_timestamp() - make_interval(secs => $6))
  and ($7::text is null or r.id < $7)
  and ($4::text is null or f.code = $4 or exists (
        select from attempts a where a.run_id = r.id and a.generation = r.generation and a.error_kind = $4))
order by r.id desc
limit $8
