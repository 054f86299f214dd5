-- story_calls: every question to the world of a run, with what came of it; of a tool's call, which tool it was.
-- $1 run
select id, token, generation, seq, effect_type, effect_hash, occurrence, status, model, endpoint, prompt, prompt_hash,
       worst_case_usd, error_kind, error, input_tokens, cached_tokens, output_tokens, cost_usd, duration_ms, asked_at, ended_at,
       case effect_type when 'call_tool' then effect::json ->> 'tool' end as tool
from calls where run_id = $1 order by generation, seq, asked_at, id
