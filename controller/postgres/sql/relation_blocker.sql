-- Who has held any lock on the table $1 for longest: all are in the way of ACCESS EXCLUSIVE.
SELECT a.pid, a.application_name, a.usename, coalesce(extract(epoch FROM clock_timestamp() - a.xact_start)::int, 0)
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.locktype = 'relation' AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation = to_regclass($1)
ORDER BY a.xact_start NULLS LAST LIMIT 1
