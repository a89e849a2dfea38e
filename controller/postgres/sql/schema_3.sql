-- Version 3: how many owners the database has had. A yes to a take-over names the number, so that it counts once.
ALTER TABLE rls_operator.claim ADD COLUMN IF NOT EXISTS number bigint NOT NULL DEFAULT 1;
UPDATE rls_operator.version SET number = 3;
