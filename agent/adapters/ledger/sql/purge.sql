-- purge: removes every text of runs, of all their generations. What remains are ids, times, kinds, counts and costs.
-- $1 runs
with events_emptied as (
    update events set data = '{}' where run_id = any($1::text[])
), attempts_emptied as (
    update attempts set error = null, refusals = null
    where run_id = any($1::text[]) and (error is not null or refusals is not null)
), calls_emptied as (
    update calls set effect = '{}', effect_hash = '', prompt_hash = '', answer = null, error = null
    where run_id = any($1::text[])
), letters_emptied as (
    update dead_letters set reason = '', body = '{}', history = '{}', raw = null where run_id = any($1::text[])
)
update runs set request = '', ending = null, fingerprint = null, purged_at = clock_timestamp() where id = any($1::text[])
