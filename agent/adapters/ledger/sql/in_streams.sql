-- in_streams: work that was published a while ago and has not moved since, to be looked for in its stream.
-- $1 age in seconds, $2 limit
select run_id, generation, seq, route, attempt, project_id, trace, bulk, entry
from work
where entry is not null and published_at <= clock_timestamp() - make_interval(secs => $1)
order by published_at
limit $2
