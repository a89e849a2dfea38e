  SELECT seen.n, count(*) AS count, max(a.{{audit.time}}){{audit.at_the_latest}} AS last
  FROM seen
  JOIN {{audit}} a ON a.{{audit.project_text}} = seen.project AND a.{{audit.denied}}
                  AND a.{{audit.time}} > seen.at{{audit.since}}
  WHERE seen.to_phase = seen.phase
  GROUP BY seen.n
