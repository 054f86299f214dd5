-- doctor_settings: what the server is set to.
select name, setting from pg_settings
where name in ('server_version', 'server_version_num', 'fsync', 'full_page_writes', 'max_connections', 'synchronous_commit')
