-- Whether what enforcing would deny is recorded, for all tables with policies, in one row. $1: the audit table's name
-- without its schema; $2, $3: the quoted names of the adopted tables, which are not tenants' tables; $4: their schema.
--
-- Recording is: an enabled trigger, or a policy, whose function writes into the audit table, itself or through another
-- function that does. What cannot be recognised as recording counts as none.
WITH RECURSIVE function AS (
  -- Comments record nothing. A body that stands in the catalogue as a parse tree (BEGIN ATOMIC) is not recognised.
  SELECT p.oid, p.proname, p.provolatile, quote_ident(n.nspname) || '.' || quote_ident(p.proname) AS name,
         regexp_replace(regexp_replace(p.prosrc, '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g') AS prosrc,
         p.prosrc = '' AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql') AS unreadable
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'rls_operator')
),
recorder AS (
  SELECT f.oid, f.proname FROM function f
  WHERE f.prosrc ~* ('insert\s+into\s+("?' || regexp_replace($4, '(\W)', '\\\1', 'g') || '"?\s*\.\s*)?"?' || regexp_replace($1, '(\W)', '\\\1', 'g') || '\M')
  UNION
  SELECT f.oid, f.proname FROM function f JOIN recorder r ON f.prosrc ~ ('\m' || regexp_replace(r.proname, '(\W)', '\\\1', 'g') || '\M')
),
protected AS (
  SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'rls_operator'
    AND c.oid IS DISTINCT FROM to_regclass($2)::oid AND c.oid IS DISTINCT FROM to_regclass($3)::oid
    AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
),
policy AS (
  SELECT p.oid, p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles::text, p.polqual::text, p.polwithcheck::text
  FROM pg_policy p JOIN protected t ON t.oid = p.polrelid
),
used AS (  -- the functions that policies call
  SELECT DISTINCT d.objid AS policy, f.oid, f.name, f.prosrc, f.provolatile, f.unreadable
  FROM pg_depend d JOIN function f ON f.oid = d.refobjid
  WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_proc'::regclass
    AND d.objid IN (SELECT oid FROM policy)
),
covered AS (  -- which commands are recorded, a letter each: a(dd), w(rite), d(elete), r(ead)
  SELECT t.tgrelid AS oid,
         CASE WHEN t.tgtype & 4 <> 0 THEN 'a' ELSE '' END || CASE WHEN t.tgtype & 16 <> 0 THEN 'w' ELSE '' END ||
         CASE WHEN t.tgtype & 8 <> 0 THEN 'd' ELSE '' END AS commands
  FROM pg_trigger t
  WHERE t.tgrelid IN (SELECT oid FROM protected) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
    AND t.tgattr::text = '' AND t.tgqual IS NULL AND t.tgtype & 1 <> 0 AND t.tgfoid IN (SELECT oid FROM recorder)
  UNION ALL
  SELECT p.polrelid, CASE p.polcmd WHEN '*' THEN 'awdr' ELSE p.polcmd::text END
  FROM policy p JOIN used u ON u.policy = p.oid
  WHERE u.oid IN (SELECT oid FROM recorder) AND p.polroles = '{0}'
),
summary AS (
  SELECT t.name, coalesce(string_agg(c.commands, ''), '') AS commands
  FROM protected t LEFT JOIN covered c ON c.oid = t.oid
  GROUP BY t.oid, t.name
),
gap AS (
  SELECT s.name || ': ' || concat_ws(', ', CASE WHEN s.commands !~ 'a' THEN 'INSERT' END,
                                     CASE WHEN s.commands !~ 'w' THEN 'UPDATE' END,
                                     CASE WHEN s.commands !~ 'd' THEN 'DELETE' END) AS text
  FROM summary s WHERE NOT (s.commands ~ 'a' AND s.commands ~ 'w' AND s.commands ~ 'd')
)
SELECT (SELECT count(*) FROM protected),
       (SELECT string_agg(text, '; ') FROM (SELECT text FROM gap ORDER BY text LIMIT 3) first_gaps),
       (SELECT count(*) FROM gap),
       (SELECT bool_and(commands ~ 'r') FROM summary),
       (SELECT min(name) FROM used WHERE provolatile = 'i' AND (unreadable OR prosrc ~* 'current_setting|select')),
       md5(coalesce((SELECT string_agg(concat_ws('|', t.oid, t.relrowsecurity, t.relforcerowsecurity), E'\n' ORDER BY t.oid)
                     FROM protected t), '') || E'\n\n' ||
           coalesce((SELECT string_agg(concat_ws('|', p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles, p.polqual,
                                                 p.polwithcheck), E'\n' ORDER BY p.polrelid, p.polname)
                     FROM policy p), '') || E'\n\n' ||
           coalesce((SELECT string_agg(u.text, E'\n' ORDER BY u.text)
                     FROM (SELECT DISTINCT concat_ws('|', name, provolatile, prosrc) AS text FROM used
                           UNION SELECT concat_ws('|', f.name, f.prosrc) FROM function f JOIN recorder r ON r.oid = f.oid
                           -- xmin: a trigger that was off and is on again has another one.
                           UNION SELECT concat_ws('|', t.tgrelid, t.tgname, t.tgenabled, t.tgtype, t.tgfoid, t.xmin)
                                 FROM pg_trigger t
                                 WHERE t.tgrelid IN (SELECT oid FROM protected) AND NOT t.tgisinternal) u), '')),
       (SELECT hash FROM rls_operator.policy_state),
       (SELECT (extract(epoch FROM changed_at) * 1000000)::bigint FROM rls_operator.policy_state)
