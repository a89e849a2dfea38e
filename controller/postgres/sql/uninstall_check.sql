-- What speaks against taking the runtime away: the schema it is in; projects beyond pending; operators that are connected.
SELECT r.schema, rls_operator.wanted_form() <> 'open',
       (SELECT count(*) FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.application_name = 'rls-operator' AND a.pid <> pg_backend_pid())
FROM rls_operator.runtime r
