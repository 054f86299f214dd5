-- letters: dead letters by what they are, the oldest first, after a place.
-- $1 route, $2 kind, $3 agent, $4 run, $5 older than, $6 younger than (both in seconds, at $8), $7 state,
-- $8 until (null: now), $9 ids (null: all), $10 the place's time, $11 its id, $12 limit
select id, run_id, generation, seq, route, attempt, kind, reason, agent, created_at, settled_at, settled_by, settled_as
from dead_letters
where ($1::text is null or route = $1) and ($2::text is null or kind = $2) and ($3::text is null or agent = $3)
  and ($4::text is null or run_id = $4)
  and ($5::float8 is null or created_at < coalesce($8::timestamptz, clock_timestamp()) - make_interval(secs => $5))
  and ($6::float8 is null or created_at > coalesce($8::timestamptz, clock_timestamp()) - make_interval(secs => $6))
  and ($7 = 'any' or (settled_at is null) = ($7 = 'open'))
  and ($8::timestamptz is null or created_at <= $8)
  and ($9::text[] is null or id = any($9))
  and ($10::timestamptz is null or (created_at, id) > ($10, $11::text))
order by created_at, id
limit $12
