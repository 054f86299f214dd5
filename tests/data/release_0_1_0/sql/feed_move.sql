-- feed_move: notes how far the feed has been written.
-- $1 tx, $2 run, $3 generation, $4 seq
update feed_cursor set tx = $1::text::xid8, run_id = $2, generation = $3, seq = $4, at = clock_timestamp()
