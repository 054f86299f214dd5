-- expired_dead_letters: how many settled dead letters are older than they are kept.
-- $1 kept for (seconds)
select count(*) from dead_letters where settled_at is not null and settled_at < clock_timestamp() - make_interval(secs => $1)
