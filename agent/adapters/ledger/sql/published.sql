-- published: notes which stream entries carry the work; rows that moved on, are held by somebody, or are carried by
-- another entry already are left alone. So is work that was postponed since: its entry is spent, and a late note about
-- it would keep the relay from publishing it when it is due.
-- $1 runs, $2 generations, $3 seqs, $4 attempts, $5 entries
with given as (
    select * from unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::text[])
        as t (run_id, generation, seq, attempt, entry)
), held as (
    select w.run_id, g.entry
    from work w join given g
      on g.run_id = w.run_id and g.generation = w.generation and g.seq = w.seq and g.attempt = w.attempt
    where w.entry is null and w.due_at <= clock_timestamp()
    order by w.run_id
    for update of w skip locked
)
update work w set entry = h.entry, published_at = clock_timestamp() from held h where h.run_id = w.run_id
