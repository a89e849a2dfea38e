-- Remembers the policies as they are now ($1). The first time is no change; any other is, from this moment.
INSERT INTO rls_operator.policy_state AS s (hash) VALUES ($1)
ON CONFLICT (only_row) DO UPDATE SET hash = excluded.hash, changed_at = clock_timestamp() WHERE s.hash <> excluded.hash
