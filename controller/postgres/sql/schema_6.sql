-- Version 6: the values of the annotation `resume` that were followed: each clears a hold of the project once, and never
-- again, also where somebody gives it anew.
CREATE TABLE IF NOT EXISTS rls_operator.resumed (
  project_id text NOT NULL,
  value      text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (project_id, value)
);
UPDATE rls_operator.version SET number = 6;
