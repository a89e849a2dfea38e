-- No row: we are not the leader any more, or the database is not ours any more. Both rows are locked until our end,
-- so that nothing of ours is committed after the next leader, or the next owner, has begun. The backend's identity is
-- read here, inside the transaction, because behind a pooler every transaction may have another one.
SELECT pg_backend_pid(),
       (SELECT (extract(epoch FROM b.backend_start) * 1000000)::bigint FROM pg_stat_get_activity(pg_backend_pid()) b)
FROM rls_operator.fence f CROSS JOIN rls_operator.claim c
WHERE f.epoch = $1::bigint AND c.install_id = $2 AND c.namespace = $3 AND c.name = $4
FOR SHARE OF f, c
