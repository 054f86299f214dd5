-- here: this process lives; rows of processes that have not been heard of for a day are removed.
-- $1 instance, $2 kind, $3 release
with forgotten as (
    delete from instances where seen_at < clock_timestamp() - interval '1 day' and id <> $1
)
insert into instances (id, kind, release) values ($1, $2, $3)
on conflict (id) do update set seen_at = clock_timestamp()
