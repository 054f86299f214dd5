-- record_calls: writes intents and what came of calls. A call that ended is not asked again by a late intent, and a
-- late answer replaces `unknown`. Of a run whose texts were removed only the numbers are written; the lock keeps a removal
-- from passing between the look and the writing, and nothing else. An intent is refused if the work does not stand where
-- it was begun, or has no time left. Gives back the calls that were written.
-- $1 ids, $2 tokens, $3 runs, $4 generations, $5 seqs, $6 effect types, $7 effect hashes, $8 occurrences, $9 effects,
-- $10 statuses, $11 models, $12 endpoints, $13 prompts, $14 prompt hashes, $15 worst cases, $16 answers,
-- $17 error kinds, $18 errors, $19 input, $20 cached, $21 output, $22 reasoning tokens, $23 costs, $24 milliseconds,
-- $25 attempts, $26 begins (0: whoever records without having begun), $27 what else is known of errors
insert into calls as c (id, token, run_id, generation, seq, effect_type, effect_hash, occurrence, effect, status,
                        model, endpoint, prompt, prompt_hash, worst_case_usd, answer, error_kind, error,
                        input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd, duration_ms, ended_at, fault)
with kept as materialized (
    select id, purged_at is null as whole from runs where id = any($3::text[]) order by id for key share
)
select t.id, t.token, t.run_id, t.generation, t.seq, t.effect_type, case when k.whole then t.effect_hash else '' end,
       t.occurrence, case when k.whole then t.effect else '{}' end, t.status, t.model, t.endpoint, t.prompt,
       case when k.whole then t.prompt_hash else '' end, t.worst_case_usd, case when k.whole then t.answer end,
       t.error_kind, case when k.whole then t.error end, t.input_tokens, t.cached_tokens, t.output_tokens,
       t.reasoning_tokens, t.cost_usd, t.duration_ms, case when t.status = 'asked' then null else clock_timestamp() end, t.fault
from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::int[], $6::text[], $7::text[], $8::int[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::numeric[], $16::text[], $17::text[],
            $18::text[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::numeric[], $24::float8[],
            $25::int[], $26::int[], $27::text[])
    as t (id, token, run_id, generation, seq, effect_type, effect_hash, occurrence, effect, status, model, endpoint,
          prompt, prompt_hash, worst_case_usd, answer, error_kind, error, input_tokens, cached_tokens, output_tokens,
          reasoning_tokens, cost_usd, duration_ms, attempt, begins, fault)
left join kept k on k.id = t.run_id
where t.status <> 'asked' or exists (
    select from work w
    where w.run_id = t.run_id and w.generation = t.generation and w.seq = t.seq and w.attempt = t.attempt
      and t.begins in (0, w.begins) and w.deadline > clock_timestamp())
order by t.id
on conflict (id) do update
set status = excluded.status, answer = excluded.answer, error_kind = excluded.error_kind, error = excluded.error,
    input_tokens = excluded.input_tokens, cached_tokens = excluded.cached_tokens,
    output_tokens = excluded.output_tokens, reasoning_tokens = excluded.reasoning_tokens,
    cost_usd = excluded.cost_usd, duration_ms = excluded.duration_ms, ended_at = excluded.ended_at,
    fault = excluded.fault
where c.status in ('asked', 'unknown') and excluded.status <> 'asked'
returning id as call_id
