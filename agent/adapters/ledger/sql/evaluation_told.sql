-- evaluation_told: somebody was told how an evaluation ended.
-- $1 id
update evaluations set told_at = clock_timestamp() where id = $1 and told_at is null
