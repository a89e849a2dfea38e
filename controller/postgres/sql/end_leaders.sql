-- Ends the backends of whoever led before: the same role, known by the name that our connections have. Who of them waits
-- for a lock, or was stopped inside a transaction, holds nothing any more.
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND a.datname = current_database() AND a.usename = session_user
  AND a.application_name = current_setting('application_name')
