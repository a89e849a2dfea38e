-- The start time makes sure that it is the same backend still, not another one under the same pid.
SELECT pg_terminate_backend(b.pid) FROM pg_stat_get_activity($1::int) b
WHERE (extract(epoch FROM b.backend_start) * 1000000)::bigint = $2::bigint
