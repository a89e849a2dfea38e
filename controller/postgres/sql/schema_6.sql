-- Version 6: the value of the annotation `resume` that was followed last, by project: each clears the hold once.
CREATE TABLE IF NOT EXISTS rls_operator.resumed (
  project_id text PRIMARY KEY,
  value      text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
UPDATE rls_operator.version SET number = 6;
