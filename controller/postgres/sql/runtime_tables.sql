-- The managed runtime's work on the tables: which are to be protected, in which form they are, how they change it. Runs
-- after runtime_1.sql, in the same transaction.

-- The least value of a type that a project's column may have; null: not such a type.
CREATE OR REPLACE FUNCTION rls_operator.least_of(type oid) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT CASE type WHEN 'text'::regtype THEN '' WHEN 'varchar'::regtype THEN ''
                   WHEN 'uuid'::regtype THEN '00000000-0000-0000-0000-000000000000'
                   WHEN 'smallint'::regtype THEN '-32768' WHEN 'integer'::regtype THEN '-2147483648'
                   WHEN 'bigint'::regtype THEN '-9223372036854775808' END
$rls$;

-- A value that none is greater than, nor any project's name; null: none is known.
CREATE OR REPLACE FUNCTION rls_operator.greatest_of(type oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
BEGIN
  IF type = 'uuid'::regtype THEN
    RETURN 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  ELSIF type NOT IN ('text'::regtype, 'varchar'::regtype) THEN
    RETURN (-1 - rls_operator.least_of(type)::numeric)::text;
  ELSIF current_setting('server_encoding') = 'UTF8' THEN
    -- No character comes after it in any collation; project_registry refuses names that have it.
    RETURN repeat(chr(1114111), 4);
  END IF;
  RETURN NULL;
END
$rls$;

-- What is below a domain.
CREATE OR REPLACE FUNCTION rls_operator.base_type(type oid) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  WITH RECURSIVE below(oid) AS (
    SELECT type UNION ALL SELECT t.typbasetype FROM below JOIN pg_type t ON t.oid = below.oid WHERE t.typtype = 'd')
  SELECT below.oid FROM below JOIN pg_type t ON t.oid = below.oid WHERE t.typtype <> 'd'
$rls$;

-- Whether a project's name is written as the type writes its values: only then is it the same on both sides.
CREATE OR REPLACE FUNCTION rls_operator.is_value_of(project text, type oid) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT CASE WHEN type IN ('text'::regtype, 'varchar'::regtype) THEN true
    WHEN type = 'uuid'::regtype THEN project ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    WHEN project !~ '^(0|-?[1-9][0-9]{0,18})$' THEN false
    ELSE project::numeric BETWEEN rls_operator.least_of(type)::numeric AND -1 - rls_operator.least_of(type)::numeric END
$rls$;

-- What protects a table, as it stands now: another value, and somebody has changed it. Changes with every ALTER.
CREATE OR REPLACE FUNCTION rls_operator.protection_of(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT md5(concat_ws(E'\n', c.relrowsecurity, c.relforcerowsecurity,
    (SELECT string_agg(concat_ws('|', p.oid, p.xmin), E'\n' ORDER BY p.oid) FROM pg_policy p WHERE p.polrelid = relation),
    (SELECT string_agg(concat_ws('|', t.oid, t.xmin, t.tgenabled), E'\n' ORDER BY t.oid)
     FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgparentid = 0 AND t.tgname LIKE 'rls\_operator\_%')))
  FROM pg_class c WHERE c.oid = relation
$rls$;

-- Code that is neither the server's, nor a superuser's, nor ours, and that would run as us as soon as we read the table: in
-- policies, and in what the planner evaluates beforehand (expressions of indexes and statistics). Who owns it could do as us
-- whatever we may. Null: there is none. Enumerations have no code; other relations (sub-selects) may be views that have.
CREATE OR REPLACE FUNCTION rls_operator.code_of_others(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  WITH part AS (
    SELECT 'pg_policy'::regclass AS class, p.oid, format('policy %I', p.polname) AS name
    FROM pg_policy p WHERE p.polrelid = relation AND p.polname NOT LIKE 'rls\_operator\_%'
    UNION ALL
    SELECT 'pg_class'::regclass, i.indexrelid, format('index %I', c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = relation
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, e.oid, format('statistics %I', e.stxname)
    FROM pg_statistic_ext e WHERE e.stxrelid = relation
  ),
  used AS (
    SELECT part.name, d.refclassid, d.refobjid, CASE d.refclassid
        WHEN 'pg_proc'::regclass THEN (SELECT f.proowner FROM pg_proc f WHERE f.oid = d.refobjid)
        WHEN 'pg_operator'::regclass THEN (SELECT o.oprowner FROM pg_operator o WHERE o.oid = d.refobjid)
        WHEN 'pg_type'::regclass THEN (
          SELECT t.typowner FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem
          WHERE t.oid = d.refobjid AND coalesce(e.typtype, t.typtype) <> 'e')
        WHEN 'pg_class'::regclass THEN (SELECT c.relowner FROM pg_class c WHERE c.oid = d.refobjid AND part.class = 'pg_policy'::regclass
                                        AND c.oid <> relation)
      END AS owner
    FROM part JOIN pg_depend d ON d.classid = part.class AND d.objid = part.oid
  )
  SELECT min(format('%s uses %s', u.name, pg_describe_object(u.refclassid, u.refobjid, 0))) FROM used u
  WHERE u.owner <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
    AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = u.owner)
$rls$;

-- Locks a table, and nothing else: one that got its name meanwhile is not taken for it.
CREATE OR REPLACE FUNCTION rls_operator.lock_table(relation oid, mode text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  name text := relation::regclass::text;
BEGIN
  EXECUTE format('LOCK TABLE ONLY %s IN %s MODE', name, mode);
  IF name <> relation::regclass::text THEN
    RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = format('%s was renamed just now', name);
  END IF;
END
$rls$;

-- The tables that are wished for, with their partitions and children, and those that are protected; why one cannot be.
-- `missing`: an exact name that no table has.
CREATE OR REPLACE FUNCTION rls_operator.tables()
RETURNS TABLE (relid oid, name text, project_column name, id int, form text, wanted boolean, drifted boolean, problem text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  WITH RECURSIVE wish AS (
    SELECT w.n, w.name, split_part(w.name, '.', 1) AS schema_name,
           substr(w.name, length(split_part(w.name, '.', 1)) + 2) AS pattern, w.column_name
    FROM rls_operator.runtime r,
         LATERAL (SELECT e.n, e.item ->> 'name' AS name, (e.item ->> 'column')::name AS column_name
                  FROM jsonb_array_elements(r.wish) WITH ORDINALITY AS e(item, n)) w
  ),
  matched AS (
    SELECT DISTINCT ON (c.oid) c.oid, w.column_name, strpos(w.pattern, '*') = 0 AS exact, w.n
    FROM wish w
    JOIN pg_namespace n ON n.nspname = w.schema_name
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND c.relname LIKE replace(replace(replace(replace(w.pattern, '\', '\\'), '_', '\_'), '%', '\%'), '*', '%')
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'rls_operator', (SELECT r.schema FROM rls_operator.runtime r))
    ORDER BY c.oid, exact DESC, w.n
  ),
  -- Who is below a protected table can be addressed by itself.
  family AS (
    SELECT m.oid, m.column_name, m.exact FROM matched m
    UNION
    SELECT i.inhrelid, f.column_name, true FROM family f JOIN pg_inherits i ON i.inhparent = f.oid
  ),
  one AS (
    SELECT DISTINCT ON (f.oid) f.oid, f.column_name, f.exact FROM family f
    LEFT JOIN matched m ON m.oid = f.oid AND m.column_name = f.column_name
    ORDER BY f.oid, m.oid IS NULL, f.exact DESC
  ),
  found AS (
    SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, o.column_name, o.exact, c.relkind,
           c.relowner, a.attnum, a.atttypid, a.attcollation, rls_operator.base_type(a.atttypid) AS base
    FROM one o
    JOIN pg_class c ON c.oid = o.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = o.column_name AND a.attnum > 0 AND NOT a.attisdropped
    -- A pattern takes what has the column; a name must have it.
    WHERE a.attnum IS NOT NULL OR o.exact
  )
  SELECT coalesce(f.oid, s.relid), coalesce(f.name, s.name), coalesce(f.column_name, s.project_column), s.id, s.form,
         f.oid IS NOT NULL,
         s.id IS NOT NULL AND (s.fingerprint IS DISTINCT FROM rls_operator.protection_of(s.relid)
                               OR (f.oid IS NOT NULL AND s.project_column <> f.column_name)),
         CASE
           WHEN f.oid IS NULL THEN 'not in spec.tables any more; it stays protected until all projects are pending'
           WHEN f.attnum IS NULL THEN format('no column %I: set projectColumn of this table in spec.tables', f.column_name)
           WHEN f.relkind NOT IN ('r', 'p') THEN 'a foreign table cannot be protected; its rows are seen through its parent'
           WHEN rls_operator.least_of(f.base) IS NULL THEN format('column %I has type %s; a project''s column may be text, '
             'varchar, uuid, smallint, integer or bigint', f.column_name, format_type(f.atttypid, NULL))
           WHEN f.attcollation <> 0 AND NOT (SELECT l.collisdeterministic FROM pg_collation l WHERE l.oid = f.attcollation)
             THEN format('column %I has a collation in which different names are equal', f.column_name)
           WHEN NOT pg_has_role(f.relowner, 'USAGE') THEN format('its owner is %I; run as a DBA: GRANT %1$I TO %I',
             pg_get_userbyid(f.relowner), current_user)
           WHEN foreign_policy.name IS NOT NULL THEN format('policy %I is not ours: with it, somebody else lets rows through; '
             'drop it, or use mode Adopted', foreign_policy.name)
           WHEN others.code IS NOT NULL THEN format('%s: it would run with the rights of the operator; drop it, or have a '
             'superuser own it', others.code)
         END
  FROM found f
  FULL JOIN rls_operator.table_state s ON s.relid = f.oid
  LEFT JOIN LATERAL (
    SELECT min(p.polname) AS name FROM pg_policy p
    WHERE p.polrelid = f.oid AND p.polpermissive AND p.polname NOT LIKE 'rls\_operator\_%') foreign_policy ON true
  LEFT JOIN LATERAL (SELECT rls_operator.code_of_others(f.oid) AS code) others ON true
  UNION ALL
  SELECT NULL, w.name, w.column_name, NULL, NULL, true, false, 'there is no such table'
  FROM wish w
  WHERE strpos(w.pattern, '*') = 0 AND NOT EXISTS (SELECT FROM matched m WHERE m.n = w.n)
    AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = w.schema_name AND c.relname = w.pattern AND c.relkind IN ('r', 'p'))
$rls$;

-- In which form tables must be. open: all projects are pending, and a policy that is literally true leaves every plan as it
-- was. noting: somebody is in shadow. quiet: else.
CREATE OR REPLACE FUNCTION rls_operator.wanted_form() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT CASE WHEN shadow THEN 'noting' WHEN beyond THEN 'quiet' ELSE 'open' END
  FROM (SELECT EXISTS (SELECT FROM {{schema}}.rls_migration_status WHERE migration_phase = 'shadow') AS shadow,
               EXISTS (SELECT FROM {{schema}}.rls_migration_status WHERE migration_phase IN ('enforcing', 'complete')) AS beyond) s
$rls$;

-- For who has locked the table and is about to read it: it may have changed since tables() looked.
CREATE OR REPLACE FUNCTION rls_operator.refuse_code_of_others(relation oid, project_column name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  code text := rls_operator.code_of_others(relation);
BEGIN
  IF code IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'RL001', MESSAGE = format('%s: it would run with the rights of the operator', code);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 WHERE c.oid = relation AND c.relkind IN ('r', 'p') AND a.attname = project_column AND NOT a.attisdropped
                   AND rls_operator.least_of(rls_operator.base_type(a.atttypid)) IS NOT NULL) THEN
    RAISE EXCEPTION USING ERRCODE = 'RL001',
      MESSAGE = format('column %I of %s has a type that no project can have', project_column, relation::regclass);
  END IF;
END
$rls$;

-- Gives all registered projects their row in the status table.
CREATE OR REPLACE FUNCTION rls_operator.begin_projects() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
  INSERT INTO {{schema}}.rls_migration_status (project_id, migration_phase, rls_enabled)
  SELECT r.project_id, first.phase, first.phase = 'enforcing'
  FROM {{schema}}.project_registry r CROSS JOIN (SELECT rls_operator.first_phase() AS phase OFFSET 0) first
  WHERE NOT EXISTS (SELECT FROM {{schema}}.rls_migration_status s WHERE s.project_id = r.project_id)
  ON CONFLICT DO NOTHING
$rls$;

-- Registers the projects whose rows are in the table: before anything depends on who is registered. Needs an index that
-- begins with the column where the table is large. Reads where no policy can speak: one of the owner's would run as us, and
-- could hide rows.
CREATE OR REPLACE FUNCTION rls_operator.register_found(relation oid, project_column name) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET constraint_exclusion = off AS $rls$
DECLARE
  found  text[];
  bad    text;
  added  bigint;
  forced boolean;
  silent boolean;
BEGIN
  -- Neither policies nor indexes nor statistics change under it; nobody who reads or writes waits.
  PERFORM rls_operator.lock_table(relation, 'SHARE UPDATE EXCLUSIVE');
  PERFORM rls_operator.refuse_code_of_others(relation, project_column);
  SELECT c.relrowsecurity AND c.relforcerowsecurity INTO forced FROM pg_class c WHERE c.oid = relation;
  -- In the open form all of them are literally true.
  SELECT coalesce(bool_and(coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'), false)
         AND coalesce(bool_or(p.polname = 'rls_operator_select' AND p.polcmd = 'r' AND p.polpermissive AND p.polroles = '{0}'), false)
  INTO silent FROM pg_policy p WHERE p.polrelid = relation;
  IF forced AND NOT silent THEN
    -- Somebody's restrictive policy, or what a restored database has. Not in the way of others for long.
    PERFORM set_config('lock_timeout', '100ms', true);
    PERFORM rls_operator.lock_table(relation, 'ACCESS EXCLUSIVE');
    EXECUTE format('ALTER TABLE ONLY %s NO FORCE ROW LEVEL SECURITY', relation::regclass);
  END IF;
  -- Off: an error instead of a policy.
  PERFORM set_config('row_security', CASE WHEN forced AND silent THEN 'on' ELSE 'off' END, true);
  -- From one value to the next: as many looks into the index as there are projects.
  EXECUTE format(
    'WITH RECURSIVE next(v) AS ((SELECT t.%1$I FROM ONLY %2$s t WHERE t.%1$I IS NOT NULL ORDER BY 1 LIMIT 1) '
    'UNION ALL SELECT (SELECT t.%1$I FROM ONLY %2$s t WHERE t.%1$I > next.v ORDER BY 1 LIMIT 1) FROM next WHERE next.v IS NOT NULL) '
    'SELECT array_agg(v::text) FROM next WHERE v IS NOT NULL', project_column, relation::regclass) INTO found;
  PERFORM set_config('row_security', 'on', true);
  IF forced AND NOT silent THEN
    EXECUTE format('ALTER TABLE ONLY %s FORCE ROW LEVEL SECURITY', relation::regclass);
  END IF;
  SELECT f INTO bad FROM unnest(found) f WHERE f = '' OR f ~ '[\x01-\x1f\x7f]' OR length(f) > 50 LIMIT 1;
  IF bad IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'RL001',
      MESSAGE = format('column %I of %s has a value that no project can have (empty, longer than 50 characters, or with control '
                       'characters): mend these rows first', project_column, relation::regclass);
  END IF;
  INSERT INTO {{schema}}.project_registry (project_id) SELECT f FROM unnest(found) f ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  PERFORM rls_operator.begin_projects();
  RETURN added;
END
$rls$;

-- Registers projects with their access: [{"project": ..., "level": "SHARED", "readable": [...]}]. Changes what differs. Who
-- cannot be registered is left out, and returned.
CREATE OR REPLACE FUNCTION rls_operator.register(wish jsonb) RETURNS TABLE (project text, problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  bad  jsonb;
  good jsonb;
BEGIN
  SELECT coalesce(jsonb_object_agg(w.name, w.problem), '{}') INTO bad FROM (
    SELECT n.name, min(format('%L cannot be a value of column %I of %s: every query there would fail', n.name, s.project_column,
                              s.name)) AS problem
    FROM (SELECT e ->> 'project' AS name FROM jsonb_array_elements(wish) e
          UNION SELECT jsonb_array_elements_text(e -> 'readable') FROM jsonb_array_elements(wish) e) n
    CROSS JOIN rls_operator.table_state s
    JOIN pg_attribute a ON a.attrelid = s.relid AND a.attname = s.project_column
    WHERE NOT rls_operator.is_value_of(n.name, rls_operator.base_type(a.atttypid))
    GROUP BY n.name) w;
  SELECT coalesce(jsonb_agg(jsonb_build_object('name', e ->> 'project', 'level', e ->> 'level', 'readable',
           (SELECT coalesce(jsonb_agg(t), '[]') FROM jsonb_array_elements_text(e -> 'readable') AS t WHERE NOT bad ? t))), '[]')
  INTO good
  FROM jsonb_array_elements(wish) e WHERE NOT bad ? (e ->> 'project');

  INSERT INTO {{schema}}.project_registry AS r (project_id, access_level)
  SELECT w.name, w.level FROM jsonb_to_recordset(good) AS w(name text, level text)
  ON CONFLICT (project_id) DO UPDATE SET access_level = excluded.access_level
  WHERE r.access_level <> excluded.access_level;
  -- Whom they may read must be there, too.
  INSERT INTO {{schema}}.project_registry (project_id)
  SELECT DISTINCT t FROM jsonb_to_recordset(good) AS w(readable text[]), unnest(w.readable) AS t ON CONFLICT DO NOTHING;
  PERFORM rls_operator.begin_projects();
  DELETE FROM {{schema}}.project_read_permissions p USING jsonb_to_recordset(good) AS w(name text, readable text[])
  WHERE p.reader = w.name AND p.target <> ALL (w.readable);
  INSERT INTO {{schema}}.project_read_permissions (reader, target)
  SELECT w.name, t FROM jsonb_to_recordset(good) AS w(name text, readable text[]), unnest(w.readable) AS t
  ON CONFLICT DO NOTHING;
  RETURN QUERY SELECT b.key, b.value FROM jsonb_each_text(bad) b;
END
$rls$;

-- Brings one table to a form, or takes all of ours away (`none`). Waits for the table as long as lock_timeout says; the
-- caller has a transaction of its own for it. The definition of the forms: docs/database.md.
CREATE OR REPLACE FUNCTION rls_operator.set_form(relation oid, project_column name, wanted text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET constraint_exclusion = off AS $rls$
DECLARE
  relation_name text;
  state     rls_operator.table_state;
  attribute pg_attribute;
  class     pg_class;
  base      oid;
  type      text;     -- as what projects are compared with the column
  col       text := quote_ident(project_column);
  context   constant text := $q$coalesce(current_setting('app.current_project', true), '')$q$;
  access    constant text := $q$ FROM {{schema}}.effective_access a WHERE a.project_id = coalesce(current_setting('app.current_project', true), ''))$q$;
  key       text;
  key_names text;
  least     text;
  upper     text := '';  -- AND col <= the greatest value, where that is known to be true
  beyond    boolean;
  ours      boolean;
  collated  text;
  readable  text;
  own       text;
  reads     text;
  writes    text;
  noting    text;
  policy    record;
BEGIN
  -- First of all, and at once: everything below is decided on what cannot change any more.
  PERFORM rls_operator.lock_table(relation, 'ACCESS EXCLUSIVE');
  SELECT * INTO class FROM pg_class WHERE oid = relation;
  relation_name := format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace), class.relname);
  SELECT * INTO state FROM rls_operator.table_state s WHERE s.relid = relation FOR UPDATE;
  IF wanted = 'open' THEN
    -- Nobody may leave pending meanwhile: here everything is let through.
    LOCK TABLE {{schema}}.rls_migration_status IN SHARE MODE;
    IF rls_operator.wanted_form() <> 'open' THEN
      RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'a project has just left pending';
    END IF;
  ELSIF wanted = 'none' THEN
    LOCK TABLE {{schema}}.rls_migration_status IN SHARE MODE;
    IF rls_operator.wanted_form() <> 'open' THEN
      RAISE EXCEPTION USING ERRCODE = 'RL002',
        MESSAGE = 'not all projects are pending: bring them back to pending before tables are taken out of protection';
    END IF;
  END IF;

  -- Where our policies are and no row of table_state (a restored database), security was switched on by us.
  ours := EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = relation AND p.polname LIKE 'rls\_operator\_%');
  FOR policy IN SELECT p.polname FROM pg_policy p WHERE p.polrelid = relation AND p.polname LIKE 'rls\_operator\_%' LOOP
    EXECUTE format('DROP POLICY %I ON %s', policy.polname, relation_name);
  END LOOP;
  -- A trigger that a partition has from its parent goes with its parent's.
  FOR policy IN SELECT t.tgname FROM pg_trigger t
                WHERE t.tgrelid = relation AND t.tgparentid = 0 AND t.tgname LIKE 'rls\_operator\_note\_%' LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', policy.tgname, relation_name);
  END LOOP;
  IF wanted = 'none' THEN
    IF state.id IS NULL THEN
      RETURN;
    END IF;
    IF NOT state.had_security THEN
      EXECUTE format('ALTER TABLE ONLY %s DISABLE ROW LEVEL SECURITY', relation_name);
    END IF;
    IF NOT state.had_force THEN
      EXECUTE format('ALTER TABLE ONLY %s NO FORCE ROW LEVEL SECURITY', relation_name);
    END IF;
    DELETE FROM rls_operator.table_state s WHERE s.id = state.id;
    RETURN;
  END IF;

  SELECT * INTO STRICT attribute FROM pg_attribute a
  WHERE a.attrelid = relation AND a.attname = project_column AND NOT a.attisdropped;
  base := rls_operator.base_type(attribute.atttypid);
  type := CASE WHEN base IN ('text'::regtype, 'varchar'::regtype) THEN 'text' ELSE format_type(base, NULL) END;
  IF rls_operator.least_of(base) IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'RL001', MESSAGE = format('column %I of %s has a type that no project can have', project_column, relation_name);
  END IF;
  IF type <> 'text' AND EXISTS (SELECT FROM {{schema}}.project_registry r WHERE NOT rls_operator.is_value_of(r.project_id, base)) THEN
    RAISE EXCEPTION USING ERRCODE = 'RL001',
      MESSAGE = format('project %L cannot be a value of column %I of %s, type %s: every query there would fail; take it out of '
                       'project_registry, or leave the table out', (SELECT min(r.project_id) FROM {{schema}}.project_registry r
                       WHERE NOT rls_operator.is_value_of(r.project_id, base)), project_column, relation_name, type);
  END IF;
  IF state.id IS NULL THEN
    INSERT INTO rls_operator.table_state (relid, name, project_column, form, fingerprint, had_security, had_force)
    VALUES (relation, relation_name, project_column, wanted, '', class.relrowsecurity AND NOT ours,
            class.relforcerowsecurity AND NOT ours)
    RETURNING * INTO state;
  END IF;

  -- Expressions over effective_access are sub-selects without a reference to the row: asked once a query, anew in each
  -- execution of a cached plan.
  least := format('%L::%s', rls_operator.least_of(base), type);
  -- In the column's own collation, so that its index can be used.
  SELECT format(' COLLATE %I.%I', n.nspname, l.collname) INTO collated
  FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
  WHERE type = 'text' AND l.oid = attribute.attcollation AND l.collname <> 'default';
  collated := coalesce(collated, '');
  least := least || collated;
  readable := format('%1$s = ANY ((SELECT a.readable::%2$s[]%3$s::%2$s[]%4$s)', col, type, access, collated);
  -- A condition that is always true, for the planner: of an open range it thinks that a third of the table is in it, and
  -- reads all of it; of one with two ends, that few rows are, and looks into the index.
  IF rls_operator.greatest_of(base) IS NOT NULL
     AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisvalid AND i.indkey[0] = attribute.attnum) THEN
    upper := format('%s <= %L::%s%s', col, rls_operator.greatest_of(base), type, collated);
    -- Ours are dropped, and another's must not run as us: read as an owner whom no policy concerns. Forced again below.
    PERFORM rls_operator.refuse_code_of_others(relation, project_column);
    IF class.relforcerowsecurity THEN
      EXECUTE format('ALTER TABLE ONLY %s NO FORCE ROW LEVEL SECURITY', relation_name);
      class.relforcerowsecurity := false;
    END IF;
    PERFORM set_config('row_security', 'off', true);  -- an error instead of a policy
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s WHERE NOT %s)', relation_name, upper) INTO beyond;
    PERFORM set_config('row_security', 'on', true);
    upper := CASE WHEN beyond THEN '' ELSE ' AND ' || upper END;
  END IF;
  own := format('%s = (SELECT nullif(a.project_id, %L)::%s%s%s', col, '', type, access, collated);
  DECLARE
    -- What is open without a look at the row: in quiet form shadow, too, whose notes nobody writes there.
    may_read   text := CASE wanted WHEN 'quiet' THEN 'a.reads_all OR a.noting' ELSE 'a.reads_all' END;
    may_write  text := CASE wanted WHEN 'quiet' THEN 'a.writes_all OR a.noting' ELSE 'a.writes_all' END;
    nullable   boolean := NOT attribute.attnotnull;
    note       text;
  BEGIN
    -- The own rows first: then nothing else is asked, neither of the row nor of effective_access.
    reads := format('%s OR (%s >= (SELECT CASE WHEN %s THEN %s END%s%s) OR %s', own, col, may_read, least, access, upper,
                    readable);
    writes := format('%s OR %s >= (SELECT CASE WHEN %s THEN %s END%s', own, col, may_write, least, access);
    -- Null for who is not in shadow, and null AND x asks for x: so notes stand in a CASE besides.
    noting := format('%s >= (SELECT CASE WHEN a.noting THEN %s END%s%s', col, least, access, upper);
    IF nullable THEN
      reads := reads || format(' OR (%s IS NULL AND (SELECT %s%s)', col, may_read, access);
      writes := writes || format(' OR (%s IS NULL AND (SELECT %s%s)', col, may_write, access);
      noting := format('(%s OR (%s IS NULL AND (SELECT a.noting%s))', noting, col, access);
    END IF;
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.n), string_agg(quote_literal(a.attname), ', ' ORDER BY k.n)
    INTO key, key_names
    FROM pg_index i
    CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
    JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = k.attnum
    WHERE i.indrelid = relation AND i.indisprimary;
    key := CASE WHEN key IS NULL THEN 'NULL::text' ELSE format('concat_ws(%L, %s)', ',', key) END;

    IF wanted = 'open' THEN
      EXECUTE format('CREATE POLICY rls_operator_select ON %s FOR SELECT USING (true)', relation_name);
      EXECUTE format('CREATE POLICY rls_operator_insert ON %s FOR INSERT WITH CHECK (true)', relation_name);
      EXECUTE format('CREATE POLICY rls_operator_update ON %s FOR UPDATE USING (true) WITH CHECK (true)', relation_name);
      EXECUTE format('CREATE POLICY rls_operator_delete ON %s FOR DELETE USING (true)', relation_name);
    ELSE
      FOR policy IN SELECT * FROM (VALUES
          ('select', 's', false, 'FOR SELECT USING (%s)'), ('insert', 'i', true, 'FOR INSERT WITH CHECK (%s)'),
          ('update', 'u', false, 'FOR UPDATE USING (%s)'), ('delete', 'd', false, 'FOR DELETE USING (%s)'))
          AS p(command, letter, certain, clause) LOOP
        note := '';
        IF wanted = 'noting' THEN
          note := format(' OR (%s AND CASE WHEN (SELECT a.noting%s THEN current_setting(%L, true) = %L || %s OR '
                         '{{schema}}.note_violation(%s, %L, %L, current_user, %s) ELSE false END)',
                         noting, access, format('rls_noted.%s%s%s', policy.letter, CASE WHEN policy.certain THEN 'c' ELSE '' END, state.id), '.', context,
                         state.id, policy.letter, policy.certain, key);
        END IF;
        EXECUTE format('CREATE POLICY %I ON %s ' || policy.clause, 'rls_operator_' || policy.command, relation_name,
                       CASE policy.command WHEN 'select' THEN reads ELSE writes END || note);
      END LOOP;
      note := '';
      IF wanted = 'noting' THEN
        note := format(' OR (%s AND CASE WHEN (SELECT a.noting%s THEN current_setting(%L, true) = %L || %s OR '
                       '{{schema}}.note_violation(%s, %L, true, current_user, %s) ELSE false END)',
                       noting, access, format('rls_noted.uc%s', state.id), '.', context, state.id, 'u', key);
      END IF;
      EXECUTE format('ALTER POLICY rls_operator_update ON %s WITH CHECK (%s)', relation_name, writes || note);
    END IF;
    -- A row trigger of a partitioned table is cloned into each partition.
    IF wanted = 'noting' AND NOT (class.relispartition AND EXISTS (
         SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname LIKE 'rls\_operator\_note\_%')) THEN
      -- The name is the table's own: a table that is attached as a partition keeps its trigger beside its parent's.
      EXECUTE format('CREATE TRIGGER rls_operator_note_%s AFTER UPDATE OR DELETE ON %s FOR EACH ROW '
                     'WHEN (OLD.%s::text IS DISTINCT FROM %s) EXECUTE FUNCTION {{schema}}.note_write(%s)',
                     state.id, relation_name, col, context, concat_ws(', ', quote_literal(state.id), key_names));
    END IF;
  END;
  IF NOT class.relrowsecurity THEN
    EXECUTE format('ALTER TABLE ONLY %s ENABLE ROW LEVEL SECURITY', relation_name);
  END IF;
  IF NOT class.relforcerowsecurity THEN
    EXECUTE format('ALTER TABLE ONLY %s FORCE ROW LEVEL SECURITY', relation_name);
  END IF;
  UPDATE rls_operator.table_state s
  SET name = relation_name, project_column = set_form.project_column, form = wanted, since = clock_timestamp(),
      fingerprint = rls_operator.protection_of(relation), version = (SELECT r.version FROM rls_operator.runtime r)
  WHERE s.id = state.id;
END
$rls$;
