-- Kinds of violations of the present phases, newest first; $1: of that project, or of all where empty; $2: without a verdict
-- alone. A verdict `fixed` does not count once the kind was seen again.
SELECT v.fingerprint, v.project_id, v.table_name, v.operation, v.user_name, v.application, v.query, v.certain, v.count, v.total,
       (extract(epoch FROM v.last_at) * 1000000)::bigint, coalesce(r.verdict, ''), coalesce(r.by, ''), coalesce(r.comment, '')
FROM rls_operator.violation v
LEFT JOIN rls_operator.review r ON r.fingerprint = v.fingerprint
WHERE ($1 = '' OR v.project_id = $1)
  AND (v.project_id = '' OR v.counted_since = rls_operator.phase_began(v.project_id))
  AND (NOT $2::boolean OR r.verdict IS NULL OR (r.verdict = 'fixed' AND v.count > 0))
ORDER BY v.last_at DESC
