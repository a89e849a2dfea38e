-- The managed runtime's evidence: what was noted, counted, reviewed. Runs after runtime_tables.sql, in the same transaction.

-- When the present phase of a project began; null where that is not ledgered.
CREATE OR REPLACE FUNCTION rls_operator.phase_began(project text) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT t.at FROM rls_operator.transition t
  WHERE t.project_id = project ORDER BY t.ordinal DESC LIMIT 1
$rls$;

CREATE OR REPLACE FUNCTION rls_operator.kind_of(context text, table_name text, operation text, user_name text, application text,
                                                query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT left(md5(concat_ws(E'\x1f', context, table_name, operation, user_name, application, query)), 16)
$rls$;

-- Whether everything that enforcing would deny is being noted: null, or what is missing. Not `strict`: a partition that is
-- not protected yet is no gap, as its parent's policies note what goes through the parent.
CREATE OR REPLACE FUNCTION rls_operator.not_noted(strict boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  WITH t AS MATERIALIZED (SELECT * FROM rls_operator.tables()),
  gap AS (
    SELECT t.name || ': ' || CASE
      WHEN t.problem IS NOT NULL THEN t.problem
      WHEN t.id IS NULL THEN 'not protected yet'
      WHEN t.drifted THEN 'policies, triggers or settings were changed by somebody else'
      WHEN t.form <> 'noting' THEN 'its policies note nothing yet'
      WHEN NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.relid AND g.tgenabled IN ('O', 'A')
                       AND g.tgname LIKE 'rls\_operator\_note\_%') THEN 'its trigger is missing or disabled' END AS text
    FROM t WHERE t.wanted AND (strict OR t.id IS NOT NULL OR NOT EXISTS (
      SELECT FROM pg_class c WHERE c.oid = t.relid AND c.relispartition AND EXISTS (
        SELECT FROM pg_inherits i JOIN rls_operator.table_state s ON s.relid = i.inhparent WHERE i.inhrelid = c.oid)))
  )
  SELECT CASE WHEN NOT EXISTS (SELECT FROM t WHERE t.wanted) THEN 'spec.tables matches no table: nothing would be enforced'
         ELSE (SELECT string_agg(text, '; ') FROM (SELECT text FROM gap WHERE text IS NOT NULL ORDER BY text LIMIT 3) f)
              || coalesce((SELECT format(' and %s more tables', count(*) - 3) FROM gap WHERE text IS NOT NULL HAVING count(*) > 3), '')
         END
$rls$;

-- Takes what was noted out of the inbox, into the audit log and the kinds of violations; counts transactions; finds gaps.
-- At most 20 000 notes of projects and 5 000 without a context, the oldest first: what is left is for the next time. One row:
-- notes taken, and the gap that was found, if any. Two at once take turns.
CREATE OR REPLACE FUNCTION rls_operator.drain() RETURNS TABLE (notes bigint, gap text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  at_most constant int := 20000;
  at_most_contextless constant int := 5000;
  state   rls_operator.runtime;
  taken   rls_operator.violation_inbox[];
  last    bigint;
  last_contextless bigint;
  scans   bigint;
  lost    bigint := 0;
  missing text;
BEGIN
  SELECT * INTO STRICT state FROM rls_operator.runtime FOR UPDATE;
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO last FROM rls_operator.note_number;
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO last_contextless FROM rls_operator.contextless_number;

  WITH oldest AS MATERIALIZED (
    (SELECT i.number FROM rls_operator.violation_inbox i WHERE i.number > 0 ORDER BY i.number LIMIT at_most)
    UNION ALL
    (SELECT i.number FROM rls_operator.violation_inbox i WHERE i.number < 0 ORDER BY i.number DESC LIMIT at_most_contextless)
  ),
  gone AS (DELETE FROM rls_operator.violation_inbox i USING oldest WHERE i.number = oldest.number RETURNING i.*)
  SELECT array_agg(gone::rls_operator.violation_inbox), count(*) INTO taken, notes FROM gone;
  -- Nothing was left: everything up to the newest number is done, also what was rolled back.
  SELECT CASE WHEN count(*) FILTER (WHERE n.number > 0) < at_most THEN last ELSE max(n.number) END,
         CASE WHEN count(*) FILTER (WHERE n.number < 0) < at_most_contextless THEN last_contextless ELSE min(n.number) END
  INTO state.drained_to, state.contextless_to FROM unnest(taken) n;
  IF notes > 0 THEN
    WITH crowded AS MATERIALIZED (  -- statements that are put together anew each time must not make a kind each for ever
      SELECT v.project_id FROM rls_operator.violation v GROUP BY v.project_id HAVING count(*) >= 1000
    ),
    shaped AS (
      SELECT n.xact, n.number, n.at, n.context, n.table_id, n.operation, n.certain, n.user_name, n.login, n.application, n.key,
             -- Lists of any length are one shape.
             CASE WHEN n.context IN (SELECT project_id FROM crowded) THEN ''
                  ELSE regexp_replace(n.query, '\?(\s*,\s*\?)+', '?, ...', 'g') END AS query
      FROM unnest(taken) n
    ),
    note AS (
      SELECT DISTINCT ON (n.xact, n.table_id, n.context) n.*,
             s.name AS table_name,
             CASE n.operation WHEN 's' THEN 'SELECT' WHEN 'i' THEN 'INSERT' WHEN 'u' THEN 'UPDATE' ELSE 'DELETE' END AS command,
             rls_operator.kind_of(n.context, s.name, n.operation::text, n.user_name, n.application, n.query) AS kind
      FROM shaped n JOIN rls_operator.table_state s ON s.id = n.table_id
      ORDER BY n.xact, n.table_id, n.context, n.certain DESC, n.number
    ),
    logged AS (
      INSERT INTO {{schema}}.rls_audit_log
        (project_id, table_name, operation, user_name, reason, would_be_denied, created_at, application_name, query_fingerprint, row_key)
      SELECT n.context, n.table_name, n.command, n.user_name,
             CASE WHEN n.certain THEN 'the row belongs to another project'
                  ELSE 'met rows of another project; a condition of the query may have left them out' END
             || CASE WHEN n.login <> n.user_name THEN format('; login %s', n.login) ELSE '' END,
             true, n.at, n.application, n.kind, n.key
      FROM note n ORDER BY n.number
    )
    INSERT INTO rls_operator.violation AS v
      (fingerprint, project_id, table_name, operation, user_name, application, query, certain, total, counted_since, count,
       first_at, last_at)
    SELECT n.kind, n.context, n.table_name, n.command, n.user_name, n.application, n.query, bool_or(n.certain), count(*),
           p.began, count(*) FILTER (WHERE n.at > p.began), min(n.at), max(n.at)
    FROM note n
    CROSS JOIN LATERAL (SELECT coalesce(rls_operator.phase_began(n.context), '-infinity') AS began) p
    GROUP BY n.kind, n.context, n.table_name, n.command, n.user_name, n.application, n.query, p.began
    ON CONFLICT (fingerprint) DO UPDATE
    SET total = v.total + excluded.total, certain = v.certain OR excluded.certain,
        count = CASE WHEN v.counted_since = excluded.counted_since THEN v.count ELSE 0 END + excluded.count,
        counted_since = excluded.counted_since, last_at = greatest(v.last_at, excluded.last_at);
  END IF;

  WITH gone AS (DELETE FROM rls_operator.context_usage RETURNING *),
  known AS (
    INSERT INTO rls_operator.transactions_seen AS t (project_id, counted_since, sampled)
    SELECT u.project_id, p.began, count(*)
    FROM gone u CROSS JOIN LATERAL (SELECT rls_operator.phase_began(u.project_id) AS began) p
    WHERE u.known AND u.at > p.began
    GROUP BY u.project_id, p.began
    ON CONFLICT (project_id) DO UPDATE
    SET sampled = CASE WHEN t.counted_since = excluded.counted_since THEN t.sampled ELSE 0 END + excluded.sampled,
        counted_since = excluded.counted_since
  )
  INSERT INTO rls_operator.unknown_context AS c (project_id, sampled, last_at)
  SELECT u.project_id, count(*), max(u.at) FROM gone u WHERE NOT u.known GROUP BY u.project_id
  -- Names that applications make up must not fill the table.
  ORDER BY 1 LIMIT greatest(0, 1000 - (SELECT count(*) FROM rls_operator.unknown_context))
  ON CONFLICT (project_id) DO UPDATE SET sampled = c.sampled + excluded.sampled, last_at = excluded.last_at;

  -- Numbers that were taken, and no row came: rolled back, or lost in a crash.
  state.drained := state.drained + (SELECT count(*) FROM unnest(taken) n WHERE n.number BETWEEN 1 AND state.checkpoint);
  state.drained_later := state.drained_later + (SELECT count(*) FROM unnest(taken) n WHERE n.number > state.checkpoint);
  IF pg_snapshot_xmin(pg_current_snapshot()) >= state.checkpoint_xmax
     AND NOT EXISTS (SELECT FROM rls_operator.violation_inbox i WHERE i.number BETWEEN 1 AND state.checkpoint) THEN
    lost := state.checkpoint - state.settled_to - state.drained;
    state.settled_to := state.checkpoint;
    state.checkpoint := last;
    state.checkpoint_xmax := pg_snapshot_xmax(pg_current_snapshot());
    state.drained := state.drained_later;
    state.drained_later := 0;
  END IF;
  scans := coalesce(pg_stat_get_numscans('rls_operator.unseen_key'::regclass), 0);
  gap := nullif(concat_ws('; ',
    CASE WHEN lost > 0 THEN format('%s notes were rolled back with their transactions, too many for the inbox, or lost in a crash', lost) END,
    CASE WHEN scans > state.unseen_scans THEN format('%s transactions that may not write met rows that enforcing would deny',
                                                     scans - state.unseen_scans)
         WHEN scans < state.unseen_scans THEN 'the statistics of the server were reset' END), '');
  missing := coalesce(rls_operator.not_noted(false), CASE WHEN state.fingerprint <> rls_operator.runtime_now() THEN 'the runtime was changed' END);
  UPDATE rls_operator.runtime r
  SET settled_to = state.settled_to, checkpoint = state.checkpoint, checkpoint_xmax = state.checkpoint_xmax,
      drained = state.drained, drained_later = state.drained_later, drained_to = state.drained_to,
      contextless_to = state.contextless_to, unseen_scans = scans,
      recorded_since = CASE WHEN missing IS NOT NULL THEN NULL
                            WHEN drain.gap IS NOT NULL OR r.recorded_since IS NULL THEN clock_timestamp()
                            ELSE r.recorded_since END,
      gap_at = CASE WHEN drain.gap IS NOT NULL THEN clock_timestamp() ELSE r.gap_at END,
      gap = coalesce(drain.gap, r.gap);
  notes := coalesce(notes, 0);
  RETURN NEXT;
END
$rls$;

-- The regular work: takes spec.tables over, registers projects (null: as before), drains the inbox, archives what is older.
-- A row for each table: what tables() says, the form that all must have, whether the runtime itself was changed, and who of
-- the projects could not be registered.
CREATE OR REPLACE FUNCTION rls_operator.tend(new_wish jsonb, projects jsonb, older interval)
RETURNS TABLE (relid oid, name text, project_column name, id int, form text, wanted boolean, drifted boolean, problem text,
               wanted_form text, runtime_changed boolean, unregistered text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  refused text;
BEGIN
  DELETE FROM rls_operator.table_state s WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.relid);
  UPDATE rls_operator.table_state s SET name = format('%I.%I', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = s.relid AND s.name <> format('%I.%I', n.nspname, c.relname);
  UPDATE rls_operator.runtime r SET wish = new_wish WHERE r.wish <> new_wish;
  PERFORM rls_operator.drain();
  PERFORM rls_operator.archive(older, 10000);
  -- Last: what is locked from here on is what moves wait for.
  IF projects IS NOT NULL THEN
    SELECT string_agg(r.problem, '; ') INTO refused FROM (SELECT * FROM rls_operator.register(projects) LIMIT 3) r;
  END IF;
  PERFORM rls_operator.begin_projects();  -- also of those whom a person has registered
  PERFORM rls_operator.heal_access();
  RETURN QUERY
  SELECT t.*, w.form, r.fingerprint <> rls_operator.runtime_now(), refused
  FROM rls_operator.runtime r
  CROSS JOIN LATERAL (SELECT rls_operator.wanted_form() AS form) w
  LEFT JOIN LATERAL (SELECT * FROM rls_operator.tables()) t ON true
  ORDER BY t.name;
END
$rls$;

-- A person's verdict on kinds of violations: false-positive, fixed, real. How many there were.
CREATE OR REPLACE FUNCTION rls_operator.review(fingerprints text[], verdict text, by text, comment text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  reviewed bigint;
BEGIN
  PERFORM rls_operator.drain();
  INSERT INTO rls_operator.review AS r (fingerprint, project_id, verdict, by, comment, at)
  SELECT v.fingerprint, v.project_id, review.verdict, review.by, review.comment, clock_timestamp()
  FROM rls_operator.violation v WHERE v.fingerprint = ANY (fingerprints)
  ON CONFLICT (fingerprint) DO UPDATE
  SET verdict = excluded.verdict, by = excluded.by, comment = excluded.comment, at = excluded.at;
  GET DIAGNOSTICS reviewed = ROW_COUNT;
  IF verdict = 'fixed' THEN
    UPDATE rls_operator.violation v SET count = 0 WHERE v.fingerprint = ANY (fingerprints);
  END IF;
  RETURN reviewed;
END
$rls$;

-- Moves audit rows that are older into the archive, a row a day and kind; so many at a time. How many.
CREATE OR REPLACE FUNCTION rls_operator.archive(older interval, at_most int) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
  WITH gone AS (
    DELETE FROM {{schema}}.rls_audit_log WHERE id IN (
      SELECT l.id FROM {{schema}}.rls_audit_log l WHERE l.created_at < clock_timestamp() - older
      ORDER BY l.created_at LIMIT at_most)
    RETURNING created_at, project_id, table_name, operation, would_be_denied
  ),
  kept AS (
    INSERT INTO rls_operator.audit_archive AS a (day, project_id, table_name, operation, denied, rows)
    SELECT (created_at AT TIME ZONE 'UTC')::date, project_id, table_name, operation, would_be_denied, count(*)
    FROM gone GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (day, project_id, table_name, operation, denied) DO UPDATE SET rows = a.rows + excluded.rows
  )
  SELECT count(*) FROM gone
$rls$;

-- Rights of others to write what is ours. To read it may be granted to whom a DBA likes.
CREATE OR REPLACE FUNCTION rls_operator.foreign_rights() RETURNS TABLE (relation regclass, grantee oid, privilege text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT c.oid::regclass, x.grantee, x.privilege_type
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL aclexplode(c.relacl) x
  WHERE n.nspname IN ('rls_operator', '{{schema}}') AND c.relkind IN ('r', 'S')
    AND x.grantee <> c.relowner AND x.privilege_type <> 'SELECT'
  UNION
  SELECT c.oid::regclass, x.grantee, x.privilege_type
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid
  CROSS JOIN LATERAL aclexplode(a.attacl) x
  WHERE n.nspname IN ('rls_operator', '{{schema}}') AND x.grantee <> c.relowner AND x.privilege_type <> 'SELECT'
$rls$;

-- What the functions, triggers and policies of the runtime itself are; another value, and somebody has changed them.
CREATE OR REPLACE FUNCTION rls_operator.runtime_now() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  WITH ours AS (SELECT n.oid FROM pg_namespace n WHERE n.nspname IN ('rls_operator', '{{schema}}'))
  SELECT md5(concat_ws(E'\n',
    (SELECT string_agg(concat_ws('|', p.oid, p.prosrc, p.proowner, p.prosecdef, p.proconfig,
                                 p.provolatile, p.proparallel), E'\n' ORDER BY p.oid) FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM ours)),
    (SELECT string_agg(concat_ws('|', t.oid, t.xmin, t.tgenabled), E'\n' ORDER BY t.oid)
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace IN (SELECT oid FROM ours) AND NOT t.tgisinternal),
    (SELECT string_agg(r::text, E'\n' ORDER BY r::text) FROM rls_operator.foreign_rights() r),
    (SELECT string_agg(concat_ws('|', c.relname, c.relowner, c.relrowsecurity), E'\n' ORDER BY c.relname)
     FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM ours) AND c.relkind IN ('r', 'S')),
    (SELECT string_agg(concat_ws('|', p.oid, p.xmin), E'\n' ORDER BY p.oid)
     FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace IN (SELECT oid FROM ours))))
$rls$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA rls_operator FROM PUBLIC;
DO $do$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT * FROM rls_operator.foreign_rights() LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %s', r.relation, CASE WHEN r.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END);
  END LOOP;
END
$do$;
GRANT SELECT ON {{schema}}.effective_access TO PUBLIC;

INSERT INTO rls_operator.runtime (schema, version) VALUES ('{{schema}}', 3)
ON CONFLICT (only_row) DO UPDATE SET version = 3;
UPDATE rls_operator.runtime SET fingerprint = rls_operator.runtime_now();
