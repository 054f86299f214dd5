-- end_runs: writes the result of runs that have just ended, and freezes what they used up to now, failed and unknown
-- calls included: a response reads the same for ever. Bills that come later stand in `calls` and in `spending`.
-- Part of `settle`, which says which of them won. It does not see what the same statement writes.
-- $1 ids, $2 statuses, $3 ending types, $4 ending versions, $5 endings
update runs r
set status = t.status, ending_type = t.type, ending_version = t.version, ending = t.data,
    input_tokens = u.input_tokens, cached_tokens = u.cached_tokens, output_tokens = u.output_tokens,
    reasoning_tokens = u.reasoning_tokens, cost_usd = u.cost_usd, calls = u.calls, attempts = u.attempts,
    ended_at = clock_timestamp(),
    cancelled_by = case when t.type = 'run.cancelled' then t.data::json ->> 'by' end
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[]) as t (id, status, type, version, data),
     lateral (
        select coalesce(sum(c.input_tokens), 0) as input_tokens, coalesce(sum(c.cached_tokens), 0) as cached_tokens,
               coalesce(sum(c.output_tokens), 0) as output_tokens,
               coalesce(sum(c.reasoning_tokens), 0) as reasoning_tokens,
               case when count(*) filter (where c.effect_type = 'call_model' and c.cost_usd is null) = 0
                    then coalesce(sum(c.cost_usd), 0) end as cost_usd,
               count(*) filter (where c.effect_type = 'call_model' and coalesce(c.error_kind, '') <> 'budget') as calls,
               (select count(*) from attempts a where a.run_id = t.id) as attempts
        from calls c where c.run_id = t.id
     ) u
where r.id = t.id and r.ended_at is null and r.id in (select run_id from held where next_route is null)
returning r.id, r.project_id, r.generation, r.status, r.store, r.purge_asked_at is not null as forgotten
