-- purge_due: locks runs that have ended and whose texts are to be removed; so nobody writes a call or an error of them
-- meanwhile (`record_calls` and `settle` take a lock that this one excludes). A run waits until the feed has told its
-- events, and one that is not to be stored until nobody can come for it; but no longer than $1 seconds.
-- $1 grace in seconds, $2 limit
select r.id
from runs r
where r.purged_at is null and (r.purge_asked_at is not null or not r.store) and r.ended_at is not null
  and (r.ended_at < clock_timestamp() - make_interval(secs => $1)
       or (r.purge_asked_at is not null or r.delivered_at is not null or r.cancelled_by = 'disconnect')
          and not exists (
              select from events e, feed_cursor f
              where e.run_id = r.id and (e.tx, e.run_id, e.generation, e.seq) > (f.tx, f.run_id, f.generation, f.seq)))
order by r.id limit $2
for update of r skip locked
