SELECT a.n, t.id, t.from_phase, t.to_phase, (extract(epoch FROM t.at) * 1000000)::bigint, t.reason
FROM unnest($1::text[]) WITH ORDINALITY AS a(project, n)
CROSS JOIN LATERAL (
  SELECT * FROM rls_operator.transition t WHERE t.project_id = a.project ORDER BY t.ordinal DESC LIMIT 10) t
ORDER BY a.n, t.ordinal DESC
