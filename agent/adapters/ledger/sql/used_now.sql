-- used_now: the minute that it is, counted from 1970.
select floor(extract(epoch from statement_timestamp()) / 60)::bigint as minute
