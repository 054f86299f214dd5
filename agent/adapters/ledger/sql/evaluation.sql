-- evaluation: one evaluation.
-- $1 id
select id, wish, plan, total, created_at, told_at, most_usd from evaluations where id = $1
