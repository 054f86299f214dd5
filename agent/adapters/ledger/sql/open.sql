-- open: writes runs, their first events and their work rows; a run that is there already is left as it is.
-- $1 ids, $2 projects, $3 agents, $4 agent versions, $5 prompts, $6 requests, $7 stores, $8 deadlines in seconds,
-- $9 traces, $10 routes, $11 event types, $12 event versions, $13 event data, $14 event agents, $15 fingerprints, $16 holders,
-- $17 keys, $18 event prompts, $19 whether nobody waits for them
with given as (
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[],
                         $8::float8[], $9::text[], $10::text[], $11::text[], $12::int[], $13::text[], $14::text[],
                         $15::bytea[], $16::text[], $17::text[], $18::text[], $19::bool[])
        as t (id, project_id, agent, agent_version, prompts, request, store, deadline_s, trace, route,
              type, version, data, event_agent, fingerprint, holder, key_id, event_prompt, bulk)
), opened as (
    insert into runs (id, project_id, agent, agent_version, prompts, request, store, trace, fingerprint, holder,
                      key_id, deadline)
    select id, project_id, agent, agent_version, prompts, request, store, trace, fingerprint, holder, key_id,
           clock_timestamp() + make_interval(secs => deadline_s)
    from given order by id
    on conflict (id) do nothing
    returning id, deadline
), placed as (
    insert into work (run_id, generation, seq, route, project_id, trace, deadline, bulk)
    select g.id, 1, 1, g.route, g.project_id, g.trace, o.deadline, g.bulk from given g join opened o using (id)
)
insert into events (run_id, generation, seq, type, version, data, agent, prompt, trace)
select g.id, 1, 1, g.type, g.version, g.data, g.event_agent, g.event_prompt, g.trace from given g join opened o using (id)
