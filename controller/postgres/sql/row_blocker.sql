-- Who holds the rows themselves: a row's locker stands in its xmax and holds the lock on that transaction id.
SELECT a.pid, a.application_name, a.usename FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.locktype = 'transactionid' AND l.pid <> pg_backend_pid()
  AND l.transactionid::text IN (SELECT s.xmax::text FROM {{status}} s WHERE s.{{status.project_text}} = ANY ($1::text[]))
ORDER BY a.backend_start LIMIT 1
