-- Clears the holds of projects whose annotation `resume` has a value that was not followed yet.
WITH asked AS MATERIALIZED (
  SELECT a.project, a.value FROM unnest($1::text[], $2::text[]) AS a(project, value)
),
gone AS (
  DELETE FROM rls_operator.hold h USING asked WHERE h.project_id = asked.project
)
INSERT INTO rls_operator.resumed (project_id, value)
SELECT asked.project, asked.value FROM asked
ON CONFLICT DO NOTHING
