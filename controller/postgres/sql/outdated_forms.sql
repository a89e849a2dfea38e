-- Tables whose policies are of another version of the runtime.
SELECT s.relid FROM rls_operator.table_state s CROSS JOIN rls_operator.runtime r WHERE s.version <> r.version
