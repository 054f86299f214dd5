-- evaluation_begin: puts an evaluation on record, with all of its lines.
-- $1 id, $2 wish, $3 plan, $4 total, $5 numbers, $6 runs, $7 requests, $8 traces
with begun as (
    insert into evaluations (id, wish, plan, total) values ($1, $2, $3, $4)
    returning id, wish, plan, total, created_at, told_at, most_usd
), lines as (
    insert into evaluation_lines (evaluation_id, number, run_id, request, trace)
    select begun.id, t.number, t.run_id, t.request, t.trace
    from begun, unnest($5::int[], $6::text[], $7::text[], $8::text[]) as t (number, run_id, request, trace)
)
select * from begun
