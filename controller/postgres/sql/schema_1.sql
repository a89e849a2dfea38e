-- The operator's own state. Runs once, under a lock; every statement may find its work done.

CREATE TABLE IF NOT EXISTS rls_operator.version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  number   int NOT NULL
);

-- Which leader may write. Raised by a new leader and by nothing else.
CREATE TABLE IF NOT EXISTS rls_operator.fence (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch    bigint NOT NULL CHECK (epoch > 0)
);

-- Whose database this is.
CREATE TABLE IF NOT EXISTS rls_operator.claim (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  install_id text NOT NULL,
  namespace  text NOT NULL,
  name       text NOT NULL,
  uid        text NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT now()
);

-- The ledger: every phase a project was seen in or brought to, in order, never changed but for wanted_phase.
-- `at` is taken by clock_timestamp() when the row locks are held, not by now(): a transaction that began earlier
-- and waited for a lock would otherwise be older than the one it waited for, and soak would count its waiting.
-- unique (project_id, ordinal) is also the index by which the newest entries are found.
CREATE TABLE IF NOT EXISTS rls_operator.transition (
  id           text PRIMARY KEY,
  project_id   text NOT NULL,
  ordinal      bigint NOT NULL CHECK (ordinal > 0),
  kind         text NOT NULL CHECK (kind IN ('moved', 'adopted', 'drift')),
  from_phase   text CHECK (from_phase IN ('pending', 'shadow', 'enforcing', 'complete')),
  to_phase     text NOT NULL CHECK (to_phase IN ('pending', 'shadow', 'enforcing', 'complete')),
  wanted_phase text CHECK (wanted_phase IN ('pending', 'shadow', 'enforcing', 'complete')),
  reason       text NOT NULL,
  actor        text NOT NULL,
  epoch        bigint NOT NULL,
  at           timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (project_id, ordinal),
  CHECK ((kind = 'adopted') = (from_phase IS NULL)),
  CHECK ((kind = 'drift') = (wanted_phase IS NOT NULL))
);

-- The brake: a project goes down to `phase` at once and stays there until it is released.
CREATE TABLE IF NOT EXISTS rls_operator.hold (
  project_id text PRIMARY KEY,
  phase      text NOT NULL CHECK (phase IN ('pending', 'shadow', 'enforcing', 'complete')),
  by         text NOT NULL,
  reason     text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE FUNCTION rls_operator.hold(project text, phase text, reason text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO rls_operator.hold AS h (project_id, phase, by, reason)
  VALUES (project, phase, session_user, reason)
  ON CONFLICT (project_id) DO UPDATE
    SET phase = excluded.phase, by = excluded.by, reason = excluded.reason, at = excluded.at
$$;
CREATE OR REPLACE FUNCTION rls_operator.release(project text) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
  WITH gone AS (DELETE FROM rls_operator.hold WHERE project_id = project RETURNING 1)
  SELECT EXISTS (SELECT FROM gone)
$$;
REVOKE EXECUTE ON FUNCTION rls_operator.hold(text, text, text), rls_operator.release(text) FROM PUBLIC;

INSERT INTO rls_operator.fence (epoch) VALUES (1) ON CONFLICT DO NOTHING;
INSERT INTO rls_operator.version (number) VALUES (1) ON CONFLICT (only_row) DO UPDATE SET number = 1;
