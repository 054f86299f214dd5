-- reopen: opens the next generation of ended runs at an event of the one before: the events up to it are the new
-- generation's first ones, and its work stands there. The run gets the time that it had before.
-- Tells where they stand now.
-- $1 runs, $2 generations, $3 seqs, $4 routes
with given as (
    select * from unnest($1::text[], $2::int[], $3::int[], $4::text[]) as t (run_id, generation, seq, route)
), reopened as (
    update runs r
    set generation = g.generation + 1, status = 'in_progress', ending_type = null, ending_version = null, ending = null,
        ended_at = null, cancelled_by = null, delivered_at = null, reopened_at = clock_timestamp(),
        deadline = clock_timestamp() + (r.deadline - coalesce(r.reopened_at, r.created_at))
    from given g where r.id = g.run_id and r.generation = g.generation
    returning r.id, r.project_id, r.trace, r.deadline
), copied as (
    insert into events (run_id, generation, seq, type, version, data, agent, prompt, trace, at)
    select e.run_id, e.generation + 1, e.seq, e.type, e.version, e.data, e.agent, e.prompt, e.trace, e.at
    from given g join events e on e.run_id = g.run_id and e.generation = g.generation and e.seq <= g.seq
)
insert into work (run_id, generation, seq, route, project_id, trace, deadline, bulk)
select g.run_id, g.generation + 1, g.seq, g.route, r.project_id, r.trace, r.deadline, true
from given g join reopened r on r.id = g.run_id
returning run_id, generation, seq, route, attempt, project_id, trace, bulk
