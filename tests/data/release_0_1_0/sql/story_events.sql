-- story_events: the timeline of a run, all generations.
-- $1 run
select generation, seq, type, version, data, agent, prompt, trace, at from events where run_id = $1 order by generation, seq
