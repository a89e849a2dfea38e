WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
INSERT INTO {{audit}} ({{audit.columns}})
SELECT {{audit.values}}
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS m(project, from_phase, to_phase, reason, actor)
CROSS JOIN clock
