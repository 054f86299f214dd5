-- doctor_handed: work that was handed out very often.
-- $1 deliveries
select run_id as run, route, deliveries from work where deliveries >= $1 order by deliveries desc, run_id limit 100
