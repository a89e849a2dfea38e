-- Takes the runtime away, when no table depends on it any more. RESTRICT everywhere: what somebody else built on it stays, and
-- says so. {{schema}} itself goes where nothing else is in it.
DROP TABLE {{schema}}.rls_migration_status, {{schema}}.project_read_permissions, {{schema}}.project_registry,
  {{schema}}.rls_audit_log, {{schema}}.effective_access RESTRICT;
DROP FUNCTION {{schema}}.set_project_context(text), {{schema}}.get_rls_mode(), {{schema}}.get_allowed_projects(),
  {{schema}}.note_violation(int, text, boolean, name, text), {{schema}}.note_write() RESTRICT;
DROP FUNCTION IF EXISTS rls_operator.begin_projects(), rls_operator.first_phase() RESTRICT;  -- since version 3
DROP TYPE {{schema}}.migration_phase_enum RESTRICT;
DROP FUNCTION rls_operator.tend(jsonb, jsonb, interval), rls_operator.drain(), rls_operator.archive(interval, int),
  rls_operator.review(text[], text, text, text), rls_operator.not_noted(boolean), rls_operator.runtime_now(), rls_operator.foreign_rights(),
  rls_operator.kind_of(text, text, text, text, text, text), rls_operator.phase_began(text),
  rls_operator.set_form(oid, name, text), rls_operator.register(jsonb), rls_operator.register_found(oid, name),
  rls_operator.wanted_form(), rls_operator.tables(), rls_operator.refuse_code_of_others(oid, name),
  rls_operator.code_of_others(oid), rls_operator.lock_table(oid, text), rls_operator.protection_of(oid), rls_operator.is_value_of(text, oid),
  rls_operator.base_type(oid), rls_operator.least_of(oid), rls_operator.greatest_of(oid), rls_operator.leave_a_trace(), rls_operator.without_values(text),
  rls_operator.access_changed(), rls_operator.refresh_access(text[]) RESTRICT;
DROP FUNCTION IF EXISTS rls_operator.heal_access(), rls_operator.access_of(text[]) RESTRICT;  -- since version 2
DROP TABLE rls_operator.runtime, rls_operator.table_state, rls_operator.violation_inbox, rls_operator.context_usage,
  rls_operator.transactions_seen, rls_operator.unknown_context, rls_operator.unseen RESTRICT;
DROP SEQUENCE rls_operator.note_number, rls_operator.contextless_number RESTRICT;
DO $do$
BEGIN
  DROP SCHEMA {{schema}} RESTRICT;
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
  NULL;  -- somebody else's things are in it, or it is somebody else's
END
$do$;
