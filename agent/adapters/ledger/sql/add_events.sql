-- add_events: appends events to runs whose outcome has just settled.
-- $1 runs, $2 generations, $3 seqs, $4 types, $5 versions, $6 data, $7 agents, $8 prompts, $9 traces
insert into events (run_id, generation, seq, type, version, data, agent, prompt, trace)
select * from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[])
