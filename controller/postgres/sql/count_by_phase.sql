SELECT s.{{status.phase}}::text, count(*) FROM {{status}} s GROUP BY 1
