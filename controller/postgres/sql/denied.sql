  SELECT seen.n, count(*) AS count, max(a.{{audit.time}})::timestamptz AS last
  FROM seen
  JOIN {{audit}} a ON a.{{audit.project_text}} = seen.project AND a.{{audit.denied}}
                  AND a.{{audit.time}} > seen.at::{{audit.time_type}}
  WHERE seen.to_phase = seen.phase
  GROUP BY seen.n
