-- letters_tally: how many dead letters there are, how many of them belong to failed runs that are still kept, what those
-- have cost, and what completed runs of their agents cost on average.
-- $1 route, $2 kind, $3 agent, $4 run, $5 older than, $6 younger than (both in seconds, at $8), $7 state, $8 until,
-- $9 ids (null: all)
with chosen as (
    select d.id, d.run_id, d.agent, r.cost_usd,
           d.settled_at is null and r.status = 'failed' and r.purged_at is null and r.purge_asked_at is null
               and r.generation = d.generation
               and exists (select from events e
                           where e.run_id = d.run_id and e.generation = d.generation and e.seq = d.seq) as replayable
    from dead_letters d left join runs r on r.id = d.run_id
    where ($1::text is null or d.route = $1) and ($2::text is null or d.kind = $2)
      and ($3::text is null or d.agent = $3) and ($4::text is null or d.run_id = $4)
      and ($5::float8 is null or d.created_at < coalesce($8::timestamptz, clock_timestamp()) - make_interval(secs => $5))
      and ($6::float8 is null or d.created_at > coalesce($8::timestamptz, clock_timestamp()) - make_interval(secs => $6))
      and ($7 = 'any' or (d.settled_at is null) = ($7 = 'open'))
      and ($8::timestamptz is null or d.created_at <= $8)
      and ($9::text[] is null or d.id = any($9))
), usual as (
    select agent, (select avg(cost_usd) from runs r where r.agent = c.agent and r.status = 'completed') as cost_usd
    from (select distinct agent from chosen where replayable) c
)
select count(*) as count, count(*) filter (where replayable) as replayable,
       case when count(*) filter (where replayable and c.cost_usd is null) = 0
            then coalesce(sum(c.cost_usd) filter (where replayable), 0) end as spent_usd,
       case when count(*) filter (where replayable and u.cost_usd is null) = 0
            then coalesce(sum(u.cost_usd) filter (where replayable), 0) end as estimate_usd
from chosen c left join usual u on u.agent = c.agent
