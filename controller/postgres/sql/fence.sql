-- No row: we are not the leader any more. The backend's identity is read here, inside the transaction, because
-- behind a pooler every transaction may have another one.
SELECT pg_backend_pid(),
       (SELECT (extract(epoch FROM b.backend_start) * 1000000)::bigint FROM pg_stat_get_activity(pg_backend_pid()) b)
FROM rls_operator.fence f WHERE f.epoch = $1::bigint FOR SHARE
