-- letters_lock: dead letters, locked for whoever settles them.
-- $1 ids
select id, run_id, generation, seq, route, attempt, kind, reason, agent, created_at, settled_at, settled_by, settled_as
from dead_letters where id = any($1::text[]) order by id for update
