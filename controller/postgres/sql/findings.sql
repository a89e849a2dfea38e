-- What row-level security itself breaks on the protected tables, whatever the policies say; worst first.
WITH p AS (SELECT s.relid, s.name FROM rls_operator.table_state s JOIN pg_class c ON c.oid = s.relid),
found AS (
  SELECT 1 AS rank, 'RowSecurityOff' AS id, 'High' AS severity,
         coalesce(quote_ident(pg_get_userbyid(nullif(s.setrole, 0))), 'every role') AS object,
         'row_security is off by ALTER ROLE or ALTER DATABASE: every statement of it on a protected table fails' AS message,
         'ALTER ROLE ... RESET row_security (or ALTER DATABASE)' AS remedy
  FROM pg_db_role_setting s
  WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c ~* '^row_security=(off|false|0|no)$')
  UNION ALL
  SELECT 2, 'IndexNotUsed', 'Medium', i.indexrelid::regclass::text,
         'its operators are not leakproof: once a project is beyond pending the index serves no condition of a query on '
         || p.name || ' any more, only the project''s own index does',
         'look at the plans of queries that use it as a project in shadow, before enforcing'
  FROM p JOIN pg_index i ON i.indrelid = p.relid
  WHERE EXISTS (
    SELECT FROM unnest(i.indclass::oid[]) WITH ORDINALITY AS k(opclass, n)
    JOIN pg_opclass o ON o.oid = k.opclass
    JOIN pg_amop x ON x.amopfamily = o.opcfamily AND x.amoplefttype = o.opcintype AND x.amoppurpose = 's'
    JOIN pg_operator r ON r.oid = x.amopopr JOIN pg_proc f ON f.oid = r.oprcode
    WHERE k.n <= i.indnkeyatts AND NOT f.proleakproof)
  UNION ALL
  SELECT 3, 'NoProjectIndex', 'Medium', p.name,
         'no index begins with its project''s column: every query of an enforced project reads the whole table',
         'CREATE INDEX CONCURRENTLY ON ' || p.name || ' (' || quote_ident(s.project_column) || ')'
  FROM p JOIN rls_operator.table_state s ON s.relid = p.relid
  JOIN pg_class c ON c.oid = p.relid AND c.relkind = 'r'
  JOIN pg_attribute a ON a.attrelid = p.relid AND a.attname = s.project_column
  WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = p.relid AND i.indisvalid AND i.indkey[0] = a.attnum)
  UNION ALL
  SELECT 4, 'CascadeIgnoresPolicies', 'Medium', p.name,
         'foreign key ' || quote_ident(k.conname) || ' changes its rows whatever the policies say, also in enforcing',
         'a key of project and id together keeps parents and children in one project'
  FROM p JOIN pg_constraint k ON k.conrelid = p.relid AND k.contype = 'f'
  WHERE (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')) AND cardinality(k.conkey) = 1
  UNION ALL
  SELECT 5, 'CopyFromFails', 'Low', 'COPY ... FROM',
         'COPY FROM fails on tables with row-level security, even for a project in pending',
         'load by INSERT, or as a role with BYPASSRLS'
  WHERE EXISTS (SELECT FROM p)
  UNION ALL
  SELECT 6, 'DumpUnderPolicies', 'Low', 'pg_dump',
         'pg_dump of a role under the policies fails; no login but superusers has BYPASSRLS',
         'give the backup''s role BYPASSRLS, or let a superuser dump'
  WHERE EXISTS (SELECT FROM p) AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolbypassrls AND r.rolcanlogin AND NOT r.rolsuper)
)
SELECT id, severity, object, message, remedy FROM found ORDER BY rank, object LIMIT 500
