-- The claim that a person named becomes ours. The table is locked.
UPDATE rls_operator.claim c
SET install_id = $1, namespace = $2, name = $3, uid = $4, number = c.number + 1, claimed_at = clock_timestamp()
WHERE c.number = $5::bigint
