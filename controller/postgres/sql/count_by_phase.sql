SELECT phase, count(*) FROM (SELECT s.{{status.phase}}::text AS phase FROM {{status}} s {{unlisted}}) AS each
GROUP BY phase
