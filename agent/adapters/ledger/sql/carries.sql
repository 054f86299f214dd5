-- carries: does the work stand where an entry says, and is it carried by no other entry?
-- $1 run, $2 generation, $3 seq, $4 attempt, $5 entry
select exists (
    select from work
    where run_id = $1 and generation = $2 and seq = $3 and attempt = $4 and (entry is null or $5 in ('', entry))
) as carries
