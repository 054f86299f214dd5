-- audit_done: the audit that was claimed is done, unless another one has become due meanwhile.
-- $1 token
update transport set audit_at = null, audited_at = clock_timestamp() where id = 1 and audit_at = $1::text::timestamptz
