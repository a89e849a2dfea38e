  -- Of a managed runtime: kinds of violations since the phase began, less those that a person said are none; what is in the
  -- inbox still; transactions, of which one in sixteen is counted, by their lower bound.
  SELECT seen.n, coalesce(v.count, 0) + coalesce(i.count, 0)
           + CASE WHEN seen.phase = 'shadow' THEN 10000 * overfull.beyond ELSE 0 END AS count, greatest(v.last, i.last) AS last,
         greatest(0, floor(16 * (u.sampled - 2 * sqrt(u.sampled))))::bigint AS transactions,
         coalesce(v.unreviewed, 0) + coalesce(i.count, 0) AS unreviewed, v.fixed_at, v.reviewed_at
  FROM seen
  LEFT JOIN (
    SELECT s.n,
           sum(v.count) FILTER (WHERE v.counted_since = s.at AND r.verdict IS DISTINCT FROM 'false-positive')::bigint AS count,
           max(v.last_at) FILTER (WHERE v.counted_since = s.at AND v.count > 0
                                    AND r.verdict IS DISTINCT FROM 'false-positive') AS last,
           count(*) FILTER (WHERE v.counted_since = s.at AND v.count > 0
                              AND (r.verdict IS NULL OR r.verdict = 'fixed')) AS unreviewed,
           max(r.at) FILTER (WHERE r.verdict = 'fixed') AS fixed_at,
           max(r.at) AS reviewed_at
    FROM seen s
    JOIN rls_operator.violation v ON v.project_id = s.project
    LEFT JOIN rls_operator.review r ON r.fingerprint = v.fingerprint
    GROUP BY s.n) v ON v.n = seen.n
  LEFT JOIN (
    SELECT s.n, count(DISTINCT (b.xact, b.table_id)) AS count, max(b.at) AS last
    FROM seen s JOIN (SELECT * FROM rls_operator.violation_inbox w WHERE w.number > 0 ORDER BY w.number LIMIT 10000) b
      ON b.context = s.project AND b.at > s.at
    GROUP BY s.n) i ON i.n = seen.n
  -- No look may take as long as somebody likes to write notes. Whose those beyond the bound are is not known: they count
  -- against everybody in shadow until they are drained.
  CROSS JOIN (SELECT count(*) AS beyond FROM (
    SELECT FROM rls_operator.violation_inbox w WHERE w.number > 0 ORDER BY w.number LIMIT 1 OFFSET 10000) w) overfull
  LEFT JOIN (
    SELECT s.n, count(*) AS count
    FROM seen s JOIN rls_operator.context_usage c ON c.known AND c.project_id = s.project AND c.at > s.at
    GROUP BY s.n) c ON c.n = seen.n
  LEFT JOIN rls_operator.transactions_seen t ON t.project_id = seen.project AND t.counted_since = seen.at
  CROSS JOIN LATERAL (SELECT coalesce(c.count, 0) + coalesce(t.sampled, 0) AS sampled) u
  WHERE seen.to_phase = seen.phase
