-- feed_lock: the cursor of the feed, locked; no row if somebody else is writing the feed.
select tx::text as tx, run_id, generation, seq from feed_cursor for update skip locked
