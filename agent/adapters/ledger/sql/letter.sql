-- letter: one dead letter with everything it carries.
-- $1 id
select id, run_id, generation, seq, route, attempt, kind, reason, agent, created_at, settled_at, settled_by, settled_as,
       body, history, raw
from dead_letters where id = $1
