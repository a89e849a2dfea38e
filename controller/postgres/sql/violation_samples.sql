-- The five newest of each project since it entered its phase.
{{recent}}SELECT asked.n, v.table_name, v.operation, v.user_name, v.reason,
       (extract(epoch FROM least(v.time, clock_timestamp())) * 1000000)::bigint
FROM unnest($1::text[]) WITH ORDINALITY AS asked(project, n)
LEFT JOIN {{status}} s ON s.{{status.project_text}} = asked.project
CROSS JOIN LATERAL (
  SELECT t.to_phase, t.at FROM rls_operator.transition t
  WHERE t.project_id = asked.project ORDER BY t.ordinal DESC LIMIT 1) newest
CROSS JOIN LATERAL (
  SELECT {{audit.table_text}} AS table_name, {{audit.operation_text}} AS operation, {{audit.user_text}} AS user_name,
         {{audit.reason_text}} AS reason, a.{{audit.time}}::timestamptz AS time
  FROM {{audit}} a
  WHERE a.{{audit.project_text}} = asked.project AND a.{{audit.denied}}
    AND a.{{audit.time}} > newest.at{{audit.since}}
  ORDER BY a.{{audit.time}} DESC LIMIT 5) v
WHERE newest.to_phase = coalesce(s.{{status.phase}}::text, 'pending')
ORDER BY asked.n, v.time DESC
