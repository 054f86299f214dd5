-- hand_back: takes back the deliveries of workers that stop, unless another delivery has begun since, and gives back
-- the runs whose work waits to be published again. Calls that were under way stay `unknown`; the attempts are closed.
-- $1 runs, $2 generations, $3 seqs, $4 attempts, $5 begins, $6 tokens
with given as (
    select * from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::text[])
        as t (run_id, generation, seq, attempt, begins, token)
), held as (
    select w.run_id, g.token
    from work w join given g
      on g.run_id = w.run_id and g.generation = w.generation and g.seq = w.seq and g.attempt = w.attempt
     and g.begins = w.begins
    order by w.run_id
    for update of w
), returned as (
    update work w set deliveries = greatest(w.deliveries - 1, 0), begins = w.begins + 1, entry = null, published_at = null
    from held h where h.run_id = w.run_id
), closed as (
    update attempts a set outcome = 'handed_back', ended_at = clock_timestamp()
    from given g where a.token = g.token and a.outcome is null
), forgotten as (
    update calls c set status = 'unknown' from given g where c.token = g.token and c.status = 'asked'
)
select token from held
