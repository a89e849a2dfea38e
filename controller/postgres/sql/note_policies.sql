-- Remembers the policies as they are now ($1). The first time is no change; any other is, from this moment. A gap in
-- the recording ($2) is a change that goes on; its moment is brought up to date now and then.
INSERT INTO rls_operator.policy_state AS s (hash, changed_at)
VALUES ($1, CASE WHEN $2::boolean THEN clock_timestamp() END)
ON CONFLICT (only_row) DO UPDATE SET hash = excluded.hash, changed_at = clock_timestamp()
WHERE s.hash <> excluded.hash
   OR $2::boolean AND (s.changed_at IS NULL OR s.changed_at < clock_timestamp() - interval '10 seconds')
