-- Whether everything that enforcing would deny is noted, of a managed runtime; one row. What it is that tables are protected
-- with does not depend on their form, which changes with the phases: only tables, columns and version count as policies.
WITH t AS MATERIALIZED (SELECT * FROM rls_operator.tables()),
hash AS (
  SELECT md5(concat_ws(E'\n', r.version, (
    SELECT string_agg(concat_ws('|', t.name, t.project_column, format_type(a.atttypid, a.atttypmod)), E'\n' ORDER BY t.name)
    FROM t JOIN pg_class c ON c.oid = t.relid AND NOT c.relispartition
    JOIN pg_attribute a ON a.attrelid = t.relid AND a.attname = t.project_column
    WHERE t.id IS NOT NULL AND t.wanted))) AS hash
  FROM rls_operator.runtime r
)
SELECT (SELECT count(*) FROM t WHERE wanted),
       (SELECT count(*) FROM t WHERE wanted AND id IS NOT NULL AND form = 'noting' AND problem IS NULL AND NOT drifted),
       coalesce(rls_operator.not_noted(true), CASE WHEN r.fingerprint <> rls_operator.runtime_now()
                                                   THEN 'functions or triggers of the runtime were changed by somebody else' END),
       hash.hash,
       (SELECT p.hash FROM rls_operator.policy_state p),
       (SELECT (extract(epoch FROM p.changed_at) * 1000000)::bigint FROM rls_operator.policy_state p),
       (extract(epoch FROM r.recorded_since) * 1000000)::bigint,
       CASE WHEN EXISTS (SELECT FROM rls_operator.violation_inbox i WHERE i.number > 0 ORDER BY i.number LIMIT 1 OFFSET 10000)
            THEN 'more than 10000 notes wait to be counted'
            WHEN r.gap_at > clock_timestamp() - interval '15 minutes' THEN r.gap || ': the soak begins anew' END,
       r.version,
       (SELECT coalesce(sum(v.total), 0)::bigint FROM rls_operator.violation v WHERE v.project_id = ''),
       -- Who has a snapshot from before the newest change of a phase still lives by the phase before. From enforcing to complete
       -- nothing changes for a session. Without the right to see others' snapshots nobody can tell: -1.
       CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN
         (SELECT count(*) FROM pg_stat_activity s
          WHERE s.datname = current_database() AND s.pid <> pg_backend_pid() AND s.backend_xmin IS NOT NULL
            AND s.backend_type = 'client backend'
            AND s.xact_start < (SELECT max(m.at) FROM rls_operator.transition m
                                WHERE m.kind IN ('moved', 'drift')
                                  AND NOT (m.from_phase IN ('enforcing', 'complete') AND m.to_phase IN ('enforcing', 'complete'))))
       ELSE -1 END
FROM rls_operator.runtime r CROSS JOIN hash
