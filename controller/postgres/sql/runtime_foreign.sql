-- What stands in the way of installing the runtime in schema $1.
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname IN ('project_registry', 'project_read_permissions', 'rls_migration_status', 'rls_audit_log',
                                       'effective_access')
UNION ALL
SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = $1 AND p.proname IN ('set_project_context', 'get_rls_mode', 'get_allowed_projects', 'note_violation', 'note_write')
LIMIT 1
