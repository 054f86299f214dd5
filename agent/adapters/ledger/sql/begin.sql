-- begin: opens attempts for a batch of deliveries; a delivery whose work has moved on, is not due, or is carried by
-- another stream entry gives no row. An entry that was published twice is thereby worked on once. Answers that an
-- earlier generation got to the same event are not paid for again. What it writes is not waited for on the disk: a crash
-- of the server may lose it, nothing else can.
-- $1 runs, $2 generations, $3 seqs, $4 attempts, $5 tokens, $6 workers, $7 entries
with asked as (
    select * from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::text[], $6::text[], $7::text[])
        as t (run_id, generation, seq, attempt, token, worker, entry)
), held as (
    select w.run_id, a.token, a.worker, a.entry
    from work w join asked a
      on a.run_id = w.run_id and a.generation = w.generation and a.seq = w.seq and a.attempt = w.attempt
    where w.due_at <= clock_timestamp() and (w.entry is null or a.entry in ('', w.entry))
    order by w.run_id
    for update of w
), counted as (
    update work w
    set deliveries = w.deliveries + 1, begins = w.begins + 1, entry = coalesce(nullif(h.entry, ''), w.entry),
        published_at = clock_timestamp()
    from held h where h.run_id = w.run_id
    returning w.run_id, w.generation, w.seq, w.route, w.attempt, w.deliveries, w.begins, w.deadline, h.token,
              h.worker, h.entry
), opened as (
    insert into attempts (token, run_id, generation, seq, route, attempt, delivery, worker, entry, begins)
    select token, run_id, generation, seq, route, attempt, deliveries, worker, entry, begins from counted
), forgotten as (
    update calls c set status = 'unknown'
    from counted n
    where c.run_id = n.run_id and c.generation = n.generation and c.seq = n.seq and c.status = 'asked'
)
select n.token, n.deliveries, n.begins, r.agent, r.agent_version, r.prompts, r.request, n.deadline, r.trace,
       extract(epoch from n.deadline - clock_timestamp())::float8 as remaining_s,
       set_config('synchronous_commit', 'off', true) as durability,
       spent.usd as spent_usd, spent.tokens as spent_tokens, spent.unknown as unknown_calls,
       spent.made as model_calls,
       (select count(*) from attempts a
        where a.run_id = n.run_id and a.generation = n.generation and a.outcome = 'postpone' and a.settled) as failures,
       (select array_agg(row(e.seq, e.type, e.version, e.data, e.agent, e.prompt, e.trace, e.at) order by e.seq)
        from events e where e.run_id = n.run_id and e.generation = n.generation) as events,
       (select array_agg(row(c.effect_hash, c.occurrence, c.answer) order by c.ended_at desc)
        from calls c
        where c.run_id = n.run_id and c.seq = n.seq and c.status = 'answered') as answers
from counted n join runs r on r.id = n.run_id
cross join lateral (
    select coalesce(sum(coalesce(c.cost_usd, c.worst_case_usd)), 0) as usd,
           coalesce(sum(c.input_tokens + c.output_tokens), 0)::bigint as tokens,
           count(*) filter (where c.effect_type = 'call_model' and (c.status in ('asked', 'unknown')
                              or (c.status = 'failed' and c.cost_usd is null and c.input_tokens + c.output_tokens = 0))) as unknown,
           count(*) filter (where c.effect_type = 'call_model' and coalesce(c.error_kind, '') not in ('rate_limited', 'budget')
                              and coalesce(c.fault, '') not like '{"error":"Held"%') as made
    from calls c where c.run_id = n.run_id
) spent
