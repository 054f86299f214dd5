-- costs: what calls of models cost, summed by one column of the view `costs`; first the sum of all, then the lines.
-- $1 by (run, key, project, agent, model, day), $2 since so many seconds (null: ever), $3 project (null: any),
-- $4 run (null: any), $5 most lines
with chosen as (
    select case $1 when 'run' then run_id when 'key' then key_id when 'project' then project_id when 'agent' then agent
                   when 'model' then model || '@' || endpoint else day::text end as name,
           day, status, input_tokens, cached_tokens, output_tokens, cost_usd, at_most_usd, unpriced
    from costs
    where ($2::float8 is null or asked_at > clock_timestamp() - make_interval(secs => $2))
      and ($3::text is null or project_id = $3) and ($4::text is null or run_id = $4)
)
select case when grouping(name) = 1 then 'total' else name end as name,
       count(*) as calls, count(*) filter (where status = 'failed') as failed,
       count(*) filter (where status in ('unknown', 'asked')) as unknown,
       coalesce(sum(input_tokens), 0)::bigint as input_tokens, coalesce(sum(cached_tokens), 0)::bigint as cached_tokens,
       coalesce(sum(output_tokens), 0)::bigint as output_tokens, coalesce(sum(cost_usd), 0) as cost_usd,
       coalesce(sum(at_most_usd), 0) as at_most_usd, count(*) filter (where unpriced) as unpriced
from chosen
group by grouping sets ((name), ())
order by grouping(name) desc, case when $1 = 'day' then max(day) end desc nulls last, sum(cost_usd) desc nulls last, 1
limit $5 + 1
