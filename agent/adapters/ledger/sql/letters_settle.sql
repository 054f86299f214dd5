-- letters_settle: settles dead letters that are open, and puts it on the audit.
-- $1 ids, $2 by, $3 settled as, $4 audit ids, $5 details
with given as (
    select * from unnest($1::text[], $4::text[], $5::text[]) as t (id, audit_id, detail)
), settled as (
    update dead_letters d set settled_at = clock_timestamp(), settled_by = $2, settled_as = $3
    from given g where d.id = g.id and d.settled_at is null
    returning d.id, d.run_id, g.audit_id, g.detail
)
insert into audit (id, project_id, actor, action, subject, detail)
select s.audit_id, (select project_id from runs r where r.id = s.run_id), $2, 'dead_letter.' || $3, s.id, s.detail from settled s
