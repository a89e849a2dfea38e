-- The first rows of registered projects, which have none yet. Somebody else's row at the same time is an error: it is
-- decided again on what that row says. Runs under the search path of strangers: see set_phases.sql.
WITH clock AS MATERIALIZED (SELECT pg_catalog.clock_timestamp() AS now)
INSERT INTO {{status}} ({{new.columns}})
SELECT {{new.values}} FROM pg_catalog.unnest($1::text[]) AS m(project) CROSS JOIN clock
