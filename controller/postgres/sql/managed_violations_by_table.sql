-- Since each project entered its phase: the 20 tables with most violations, with the sums over all tables.
SELECT n, table_name, count, total, (extract(epoch FROM last) * 1000000)::bigint, unreviewed
FROM (
  SELECT a.n, v.table_name, sum(v.count)::bigint AS count, (sum(sum(v.count)) OVER w)::bigint AS total,
         max(max(v.last_at)) OVER w AS last,
         (sum(count(*) FILTER (WHERE r.verdict IS NULL OR r.verdict = 'fixed')) OVER w)::bigint AS unreviewed,
         row_number() OVER (PARTITION BY a.n ORDER BY sum(v.count) DESC, v.table_name) AS place
  FROM unnest($1::text[]) WITH ORDINALITY AS a(project, n)
  JOIN rls_operator.violation v ON v.project_id = a.project AND v.count > 0
                               AND v.counted_since = rls_operator.phase_began(a.project)
  LEFT JOIN rls_operator.review r ON r.fingerprint = v.fingerprint
  WHERE r.verdict IS DISTINCT FROM 'false-positive'
  GROUP BY a.n, v.table_name
  WINDOW w AS (PARTITION BY a.n)
) counted
WHERE place <= 20
ORDER BY n, place
