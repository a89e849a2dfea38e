-- Version 5: who leads in the epoch. None: raised by nobody yet.
ALTER TABLE rls_operator.fence ADD COLUMN IF NOT EXISTS holder text;
UPDATE rls_operator.version SET number = 5;
