-- happened: the events of one generation of a run.
-- $1 run, $2 generation
select seq, type, version, data, agent, prompt, trace, at from events
where run_id = $1 and generation = $2 order by seq
