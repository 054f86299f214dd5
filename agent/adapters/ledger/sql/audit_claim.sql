-- audit_claim: takes the audit that is due; another relay may take it if it was not done within $1 seconds.
update transport set audit_at = clock_timestamp() + make_interval(secs => $1)
where id = 1 and audit_at <= clock_timestamp()
returning audit_at::text as token
