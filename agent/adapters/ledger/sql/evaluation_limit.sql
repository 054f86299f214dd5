-- evaluation_limit: what the runs of an evaluation may cost from now on.
-- $1 id, $2 USD (null: no limit)
update evaluations set most_usd = $2 where id = $1
