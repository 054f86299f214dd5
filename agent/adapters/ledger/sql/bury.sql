-- bury: keeps dead letters, each with every attempt and call of its run's generation as they stand now; one that is
-- there already stays as it is.
-- $1 ids, $2 runs, $3 generations, $4 seqs, $5 routes, $6 attempts, $7 kinds, $8 reasons, $9 bodies, $10 raw entries
insert into dead_letters (id, run_id, generation, seq, route, attempt, kind, reason, body, raw, agent, history)
select t.*,
       coalesce((select r.agent from runs r where r.id = t.run_id), ''),
       json_build_object(
           'attempts', (
               select coalesce(json_agg(json_build_object(
                   'token', a.token, 'seq', a.seq, 'route', a.route, 'attempt', a.attempt, 'delivery', a.delivery,
                   'worker', a.worker, 'entry', a.entry, 'outcome', a.outcome, 'settled', a.settled,
                   'error_kind', a.error_kind, 'error', a.error, 'began_at', a.began_at, 'ended_at', a.ended_at
               ) order by a.began_at, a.token), '[]')
               from attempts a where a.run_id = t.run_id and a.generation = t.generation),
           'calls', (
               select coalesce(json_agg(json_build_object(
                   'id', c.id, 'token', c.token, 'seq', c.seq, 'type', c.effect_type, 'status', c.status,
                   'model', c.model, 'endpoint', c.endpoint, 'error_kind', c.error_kind, 'error', c.error,
                   'input_tokens', c.input_tokens, 'output_tokens', c.output_tokens, 'cost_usd', c.cost_usd::text,
                   'duration_ms', c.duration_ms, 'asked_at', c.asked_at
               ) order by c.asked_at, c.id), '[]')
               from calls c where c.run_id = t.run_id and c.generation = t.generation)
       )::text
from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[], $6::int[], $7::text[], $8::text[], $9::text[],
            $10::bytea[])
    as t (id, run_id, generation, seq, route, attempt, kind, reason, body, raw)
on conflict (id) do nothing
