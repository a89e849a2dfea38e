-- Since each project entered its phase: the 20 tables with most violations, with the sums over all tables.
{{recent}}SELECT n, table_name, count, total, (extract(epoch FROM least(last, clock_timestamp())) * 1000000)::bigint
FROM (
  SELECT p.n, {{audit.table_text}} AS table_name, count(*) AS count,
         (sum(count(*)) OVER each_project)::bigint AS total,
         (max(max(a.{{audit.time}})) OVER each_project){{audit.at_the_latest}} AS last,
         row_number() OVER (PARTITION BY p.n ORDER BY count(*) DESC, {{audit.table_text}}) AS place
  FROM (
    SELECT asked.n, asked.project, newest.at
    FROM unnest($1::text[]) WITH ORDINALITY AS asked(project, n)
    LEFT JOIN {{status}} s ON s.{{status.project_text}} = asked.project
    CROSS JOIN LATERAL (
      SELECT t.to_phase, t.at FROM rls_operator.transition t
      WHERE t.project_id = asked.project ORDER BY t.ordinal DESC LIMIT 1) newest
    WHERE newest.to_phase = coalesce(s.{{status.phase}}::text, 'pending')
  ) p
  JOIN {{audit}} a ON a.{{audit.project_text}} = p.project AND a.{{audit.denied}}
                  AND a.{{audit.time}} > p.at{{audit.since}}
  GROUP BY p.n, {{audit.table_text}}
  WINDOW each_project AS (PARTITION BY p.n)
) counted
WHERE place <= 20
ORDER BY n, place
