-- What of the runtime, in schema $1, belongs to somebody who could swap it under us; to whom; and whose it should be. The
-- schemas may be a superuser's.
WITH ours AS (SELECT n.oid, n.nspname, n.nspowner FROM pg_namespace n WHERE n.nspname IN ('rls_operator', $1)),
object AS (
  SELECT 0 AS rank, format('SCHEMA %I', o.nspname) AS name, o.nspowner AS owner FROM ours o
  WHERE NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = o.nspowner)
  UNION ALL
  SELECT 1, format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, o.nspname, c.relname),
         c.relowner
  FROM ours o JOIN pg_class c ON c.relnamespace = o.oid AND c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
  WHERE o.nspname = 'rls_operator'
     OR c.relname IN ('project_registry', 'project_read_permissions', 'rls_migration_status', 'rls_audit_log', 'effective_access')
  UNION ALL
  SELECT 1, format('FUNCTION %s', p.oid::regprocedure), p.proowner
  FROM ours o JOIN pg_proc p ON p.pronamespace = o.oid
  WHERE o.nspname = 'rls_operator'
     OR p.proname IN ('set_project_context', 'get_rls_mode', 'get_allowed_projects', 'note_violation', 'note_write')
  UNION ALL
  SELECT 1, format('TYPE %I.%I', o.nspname, t.typname), t.typowner
  FROM ours o JOIN pg_type t ON t.typnamespace = o.oid AND t.typname = 'migration_phase_enum'
)
SELECT object.name, pg_get_userbyid(object.owner), quote_ident(current_user) FROM object
WHERE object.owner <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
ORDER BY object.rank, object.name LIMIT 1
