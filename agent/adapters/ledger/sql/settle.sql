-- settle: the fence. Moves, postpones or removes the work rows of a batch of outcomes, appends the events of those that
-- won and gives back their runs. Only the newest begin of a run may settle: a worker that froze and was taken over cannot;
-- 0 stands for whoever settles without having begun. Every attempt is closed, won or
-- lost; without its error, if the texts of its run were removed.
-- $1 runs, $2 generations, $3 seqs, $4 attempts, $5 next seqs, $6 next routes (null: the run ends),
-- $7 next attempts, $8 delays in seconds, $9 tokens, $10 outcomes, $11 error kinds, $12 errors, $13 begins,
-- $14 calls that were not made; and of the events: $15 runs, $16 generations, $17 seqs, $18 types, $19 versions, $20 data,
-- $21 agents, $22 prompts, $23 traces
with given as (
    select * from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[], $7::int[], $8::float8[],
                         $9::text[], $10::text[], $11::text[], $12::text[], $13::int[], $14::text[])
        as t (run_id, generation, seq, attempt, next_seq, next_route, next_attempt, delay_s, token, outcome,
              error_kind, error, begins, refusals)
), held as (
    select w.run_id, g.token, g.next_seq, g.next_route, g.next_attempt, g.delay_s
    from work w join given g
      on g.run_id = w.run_id and g.generation = w.generation and g.seq = w.seq and g.attempt = w.attempt
     and g.begins in (0, w.begins)
    order by w.run_id
    for update of w
), moved as (
    update work w
    set seq = h.next_seq, route = h.next_route, attempt = h.next_attempt, deliveries = 0, entry = null,
        published_at = null, due_at = clock_timestamp() + make_interval(secs => h.delay_s)
    from held h where h.run_id = w.run_id and h.next_route is not null
), removed as (
    delete from work w using held h where h.run_id = w.run_id and h.next_route is null
), kept as materialized (
    select r.id from runs r
    where r.id in (select run_id from given where error is not null or refusals is not null) and r.purged_at is null
    order by r.id for key share of r
), closed as (
    update attempts a
    set outcome = g.outcome, error_kind = g.error_kind, error = case when k.id is not null then g.error end, ended_at = clock_timestamp(),
        settled = (h.token is not null), refusals = case when k.id is not null then g.refusals end,
        delay_s = case when g.outcome in ('postpone', 'park') then g.delay_s end
    from given g left join held h on h.token = g.token left join kept k on k.id = g.run_id
    where a.token = g.token
), told as (
    insert into events (run_id, generation, seq, type, version, data, agent, prompt, trace)
    select t.*
    from unnest($15::text[], $16::int[], $17::int[], $18::text[], $19::int[], $20::text[], $21::text[], $22::text[],
                $23::text[]) as t (run_id, generation, seq, type, version, data, agent, prompt, trace)
    join held h on h.run_id = t.run_id
)
select run_id, null as call_id from held
