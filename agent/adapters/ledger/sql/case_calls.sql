-- case_calls: every question to the world of a run, whole, with what came of it.
-- $1 run
select token, generation, seq, effect_type, effect_hash, occurrence, effect, status, model, endpoint, worst_case_usd,
       answer, error_kind, error, fault, input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd,
       duration_ms, asked_at, ended_at
from calls where run_id = $1 order by generation, asked_at, id
