SELECT s.relid, s.name, s.project_column FROM rls_operator.table_state s JOIN pg_class c ON c.oid = s.relid ORDER BY s.name
