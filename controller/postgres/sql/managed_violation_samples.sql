-- The five newest kinds of each project since it entered its phase.
SELECT a.n, v.table_name, v.operation, v.user_name,
       concat_ws(', ', CASE WHEN v.certain THEN 'wrote' ELSE 'met' END || ' rows of another project',
                 'application ' || nullif(v.application, ''), nullif(v.query, '')),
       (extract(epoch FROM v.last_at) * 1000000)::bigint, v.fingerprint, coalesce(v.verdict, '')
FROM unnest($1::text[]) WITH ORDINALITY AS a(project, n)
CROSS JOIN LATERAL (
  SELECT v.*, r.verdict FROM rls_operator.violation v LEFT JOIN rls_operator.review r ON r.fingerprint = v.fingerprint
  WHERE v.project_id = a.project AND v.counted_since = rls_operator.phase_began(a.project) AND v.count > 0
  ORDER BY v.last_at DESC LIMIT 5) v
ORDER BY a.n, v.last_at DESC
