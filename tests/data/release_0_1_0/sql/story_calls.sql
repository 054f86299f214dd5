-- story_calls: every question to the world of a run, with what came of it.
-- $1 run
select id, token, generation, seq, effect_type, effect_hash, occurrence, status, model, endpoint, prompt, prompt_hash,
       worst_case_usd, error_kind, error, input_tokens, cached_tokens, output_tokens, cost_usd, duration_ms, asked_at, ended_at
from calls where run_id = $1 order by generation, seq, asked_at, id
