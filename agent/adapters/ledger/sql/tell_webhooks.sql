-- tell_webhooks: notes what the endpoints of the projects are to be told of runs that end here. Part of `settle`, which ends
-- them: whoever reads the ending finds these rows too. Only responses that somebody can read are told of.
insert into webhook_deliveries (webhook_id, event_id, run_id, type)
select w.id, 'evt_' || replace(e.id, 'resp_', '') || '_' || e.generation, e.id, 'response.' || e.status
from end_runs e join webhooks w on w.project_id = e.project_id
where e.store and not e.forgotten and w.disabled_at is null
  and (w.events is null or 'response.' || e.status = any(w.events))
on conflict do nothing
