-- present: the processes that live, by kind and age.
-- $1 seconds that one may go unheard
select id, kind, release, started_at, seen_at from instances
where seen_at > clock_timestamp() - make_interval(secs => $1)
order by kind, started_at, id
