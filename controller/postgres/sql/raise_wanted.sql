UPDATE rls_operator.transition t SET wanted_phase = m.wanted_phase
FROM unnest($1::text[], $2::bigint[], $3::text[]) AS m(project, ordinal, wanted_phase)
WHERE t.project_id = m.project AND t.ordinal = m.ordinal AND t.kind = 'drift'
