-- What becomes of Redis is told apart and counted, and whoever relays knows that an audit of all open work is due.

alter table transport
    add column rewinds int not null default 0,
    add column restores int not null default 0,
    add column restarts int not null default 0,
    add column regroups int not null default 0,
    add column audit_at timestamptz,
    add column audited_at timestamptz;
comment on column transport.epoch is 'Counted name of the time since Redis last lost something; it stands in Redis too.';
comment on column transport.mark is 'Grows about every second, here first and then in Redis; 0 until Redis has the epoch.';
comment on column transport.losses is 'How often Redis was found wiped or older than before.';
comment on column transport.rewinds is 'How often, of these, it was older and not empty.';
comment on column transport.restores is 'How often the ledger was found older than Redis: a backup was restored.';
comment on column transport.restarts is 'How often Redis was restarted and had lost nothing that shows.';
comment on column transport.regroups is 'How often a stream or its group was gone and was made again.';
comment on column transport.audit_at is 'When all open work is to be looked for in its streams; null if that is done.';

create view repeated_calls as
    select c.run_id, c.generation, c.seq, c.effect_hash, c.occurrence, min(c.model) as model, count(*) as calls,
           count(*) filter (where c.status = 'unknown') as unknown, max(c.asked_at) as last_asked_at
    from calls c
    where c.effect_type = 'call_model' and c.status in ('answered', 'unknown', 'asked')
    group by 1, 2, 3, 4, 5
    having count(*) > 1;
comment on view repeated_calls is 'Questions that were paid for more than once, or may have been.';
