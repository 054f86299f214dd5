-- forget: asks for the removal of a run's texts; it is hidden from now on.
-- $1 run, $2 project
update runs set purge_asked_at = clock_timestamp()
where id = $1 and project_id = $2 and purge_asked_at is null and purged_at is null
returning id
