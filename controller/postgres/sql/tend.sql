SELECT t.relid, t.name, t.project_column, t.id, t.form, t.wanted, t.drifted, t.problem, t.wanted_form, t.runtime_changed, t.unregistered
FROM rls_operator.tend($1::jsonb, nullif($2, '')::jsonb, $3::bigint * interval '1 second') t
