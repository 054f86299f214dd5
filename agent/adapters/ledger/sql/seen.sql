-- seen: how long ago each process last said that it lives.
select id, extract(epoch from clock_timestamp() - seen_at)::float8 as seen_s from instances
