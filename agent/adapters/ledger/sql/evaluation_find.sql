-- evaluation_find: the newest evaluation that wants the same, if nobody was told of it yet.
-- $1 wish
select id, wish, plan, total, created_at, told_at, most_usd from evaluations where wish = $1 and told_at is null
order by created_at desc limit 1
