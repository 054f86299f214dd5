-- claim: hands the oldest undelivered run of a fingerprint to a retry, if whoever waited for it is gone.
-- Two retries in the same moment take two runs, or one of them takes none: a row that another one took after this
-- statement began has another holder, which is looked at again once the row is locked.
-- $1 project, $2 fingerprint, $3 holder, $4 greatest age in seconds, $5 seconds that a process may go unheard
with meant as materialized (
    select r.id, r.holder, r.holder is null or not exists (
               select from instances i
               where i.id = split_part(r.holder, '/', 1) and i.seen_at > clock_timestamp() - make_interval(secs => $5)
           ) as free
    from runs r
    where r.project_id = $1 and r.fingerprint = $2 and r.created_at > clock_timestamp() - make_interval(secs => $4)
      and r.delivered_at is null and r.cancelled_by is null and r.purged_at is null and r.purge_asked_at is null
), mine as (
    select r.id from meant m join runs r on r.id = m.id
    where m.free and r.delivered_at is null and r.holder is not distinct from m.holder
    order by r.id limit 1
    for update of r skip locked
), taken as (
    update runs r set holder = $3 from mine m where r.id = m.id returning r.id
)
select (select id from taken) as run,
       exists (select from meant) as more,
       pg_snapshot_xmin(pg_current_snapshot())::text as horizon,
       pg_snapshot_xmax(pg_current_snapshot())::text as newest
