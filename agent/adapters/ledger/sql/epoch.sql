-- epoch: what the ledger knows of Redis, and whether an audit is due or under way.
select epoch, mark, server, audit_at is not null as auditing from transport where id = 1
