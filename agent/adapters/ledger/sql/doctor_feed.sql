-- doctor_feed: events that have waited for a while to be copied to the feed, up to ten thousand.
-- $1 grace in seconds
select count(*) as count, coalesce(extract(epoch from clock_timestamp() - min(at)), 0)::float8 as oldest_s
from (
    select e.at
    from feed_cursor c, events e
    where e.tx >= c.tx and (e.tx, e.run_id, e.generation, e.seq) > (c.tx, c.run_id, c.generation, c.seq)
    order by e.tx limit 10000
) behind
where at < clock_timestamp() - make_interval(secs => $1)
