-- Ours where nobody's; the same object made again keeps it under its new uid.
INSERT INTO rls_operator.claim AS c (install_id, namespace, name, uid) VALUES ($1, $2, $3, $4)
ON CONFLICT (only_row) DO UPDATE SET uid = excluded.uid
WHERE (c.install_id, c.namespace, c.name) = (excluded.install_id, excluded.namespace, excluded.name)
