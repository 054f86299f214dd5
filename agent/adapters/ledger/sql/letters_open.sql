-- letters_open: how many dead letters wait for an operator, by error class.
select kind, count(*)::int as count from dead_letters where settled_at is null group by kind order by kind
