-- Version 2: which policies were seen last, so that a change of them restarts the soak.
CREATE TABLE IF NOT EXISTS rls_operator.policy_state (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  hash       text NOT NULL,
  changed_at timestamptz
);
UPDATE rls_operator.version SET number = 2;
