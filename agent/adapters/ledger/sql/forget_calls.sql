-- forget_calls: calls of the runs that end here, and that nobody will come back for, become `unknown`. Part of `settle`.
update calls c set status = 'unknown'
where c.run_id in (select run_id from held where next_route is null) and c.status = 'asked'
