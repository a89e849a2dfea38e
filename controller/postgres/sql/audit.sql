-- One row a move, as far as the table has a place for it. Runs under the search path of strangers: see set_phases.sql.
WITH clock AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS now)
INSERT INTO {{audit}} ({{audit.columns}})
SELECT {{audit.values}}
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]),
                pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]))
       AS m(project, from_phase, to_phase, reason, actor)
CROSS JOIN clock
