-- earlier: a run of a project as one that follows it sees it, with the newest record of what it followed itself.
-- $1 run, $2 project
select r.status, r.store, r.purged_at is not null or r.purge_asked_at is not null as deleted, r.request,
       r.ending_type, r.ending_version, r.ending, e.type as recalled_type, e.version as recalled_version,
       e.data as recalled
from runs r
left join lateral (
    select type, version, data from events
    where run_id = r.id and type = 'conversation.recalled'
    order by generation desc, seq desc limit 1
) e on true
where r.id = $1 and r.project_id = $2
