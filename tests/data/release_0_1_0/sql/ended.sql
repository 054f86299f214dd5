-- ended: those of a list of runs that have ended, or are not there.
-- $1 runs
select t.id from unnest($1::text[]) as t (id) left join runs r on r.id = t.id where r.id is null or r.ended_at is not null
