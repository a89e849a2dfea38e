-- What a DBA grants, once, so that the operator can work on an adopted database with as little as it needs:
-- no superuser, no BYPASSRLS, no right on the data itself. Here for the role rls_operator_role and the schema
-- public. install.sql includes this file; it may be run again.

-- To make its own schema `rls_operator` (ledger, fence, claim, hold). Where CREATE on the database is too much:
--   CREATE SCHEMA rls_operator AUTHORIZATION rls_operator_role;
DO $$
BEGIN
  EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO rls_operator_role', current_database());
END
$$;

GRANT USAGE ON SCHEMA public TO rls_operator_role;
-- Reads and moves the phases.
GRANT SELECT, UPDATE ON public.rls_migration_status TO rls_operator_role;
-- Counts violations; adds one row per move.
GRANT SELECT, INSERT ON public.rls_audit_log TO rls_operator_role;
GRANT USAGE ON SEQUENCE public.rls_audit_log_id_seq TO rls_operator_role;
-- Reads the access levels.
GRANT SELECT ON public.project_registry, public.project_read_permissions TO rls_operator_role;
