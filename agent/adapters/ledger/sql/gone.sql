-- gone: this process ends in order.
-- $1 instance
delete from instances where id = $1
