-- The first statement on every connection: settings, and what must be known before anything else is asked.
-- jit off: the planner's estimate for arrays of projects trips it, and compiling costs more than the statement.
-- synchronous_commit: what is only remembered (the claim, denials that were seen) waits for no standby. Transactions go
-- back to the server's own.
SELECT set_config('jit', 'off', false),
       set_config('statement_timeout', $1, false),
       set_config('lock_timeout', $2, false),
       pg_is_in_recovery(),
       current_setting('transaction_read_only') = 'on',
       current_setting('server_version_num')::int,
       split_part(current_setting('server_version'), ' ', 1),
       current_setting('server_encoding'),
       quote_ident(current_user),
       quote_ident(current_database()),
       has_database_privilege(current_database(), 'CREATE'),
       (SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'rls_operator'),
       -- Not to_regclass: it fails where the schema is somebody else's and we may not use it.
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'rls_operator' AND c.relname = 'version'),
       (SELECT reset_val FROM pg_settings WHERE name = 'search_path'),
       (SELECT system_identifier::text FROM pg_control_system()),
       set_config('synchronous_commit', 'local', false)
