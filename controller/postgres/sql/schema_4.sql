-- Version 4: the most denials that were ever seen of each project in its present phase. The audit table is somebody
-- else's: what is deleted, archived or hidden there still happened.
CREATE TABLE IF NOT EXISTS rls_operator.violation_mark (
  project_id text PRIMARY KEY,
  ordinal    bigint NOT NULL,  -- of the ledger entry with which the phase began
  count      bigint NOT NULL,
  last       timestamptz NOT NULL
);
UPDATE rls_operator.version SET number = 4;
