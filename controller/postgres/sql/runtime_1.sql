-- The managed runtime: what applications call and policies read, in the schema {{schema}}; what the operator
-- alone reads and writes, in rls_operator. Runs in one transaction; where it ran before, it finds its work done and only
-- makes the functions anew. {{schema}} is a plain lower-case name (checked in installing.cpp).

-- ---- the operator's own state ----------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS rls_operator.runtime (
  only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  schema         name NOT NULL,
  version        int NOT NULL,
  fingerprint    text NOT NULL DEFAULT '',      -- of the functions and triggers, as they were installed
  wish           jsonb NOT NULL DEFAULT '[]',   -- spec.tables: [{"name": "app.*", "column": "project_id"}]
  recorded_since timestamptz,                   -- without a gap; null: not now
  gap_at         timestamptz,                   -- when the last gap was found, and what it was
  gap            text,
  -- How many notes there must be, for those of transactions that have ended: numbers up to settled_to are accounted for;
  -- those up to checkpoint are, when everything that ran then (before checkpoint_xmax) has ended.
  settled_to       bigint NOT NULL DEFAULT 0,
  checkpoint       bigint NOT NULL DEFAULT 0,
  checkpoint_xmax  xid8 NOT NULL DEFAULT '0',
  drained          bigint NOT NULL DEFAULT 0,   -- notes with a number up to checkpoint
  drained_later    bigint NOT NULL DEFAULT 0,   -- and beyond
  unseen_scans     bigint NOT NULL DEFAULT 0
);

-- Since version 2: the inbox is drained in steps, and has a bound. All notes up to these numbers were drained or have left
-- none; without a context numbers go down.
DO $do$
BEGIN
  -- Not IF NOT EXISTS: that locks everybody out who notes, also where nothing is to be done.
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'rls_operator.runtime'::regclass AND attname = 'drained_to') THEN
    ALTER TABLE rls_operator.runtime ADD COLUMN drained_to bigint NOT NULL DEFAULT 0, ADD COLUMN contextless_to bigint NOT NULL DEFAULT 0;
    UPDATE rls_operator.runtime SET drained_to = settled_to;
  END IF;
END
$do$;

-- The tables that are protected.
CREATE TABLE IF NOT EXISTS rls_operator.table_state (
  id             int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relid          oid NOT NULL UNIQUE,
  name           text NOT NULL,  -- as SQL writes it
  project_column name NOT NULL,
  form           text NOT NULL CHECK (form IN ('open', 'noting', 'quiet')),
  fingerprint    text NOT NULL,
  had_security   boolean NOT NULL,  -- before us
  had_force      boolean NOT NULL,
  since          timestamptz NOT NULL DEFAULT clock_timestamp(),
  version        int NOT NULL DEFAULT 0  -- of the runtime that made its policies
);
DO $do$
BEGIN
  -- Not IF NOT EXISTS, as above.
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'rls_operator.table_state'::regclass AND attname = 'version') THEN
    ALTER TABLE rls_operator.table_state ADD COLUMN version int NOT NULL DEFAULT 0;
  END IF;
END
$do$;

-- What would be denied, as it comes: unlogged, because a logged row costs a reader a whole flush. The numbers come from a
-- logged sequence, and are taken even by what is rolled back: so what is lost is known.
-- Those without a context, which hold nobody's promotion up, have numbers of their own, below zero.
CREATE SEQUENCE IF NOT EXISTS rls_operator.note_number;
CREATE SEQUENCE IF NOT EXISTS rls_operator.contextless_number INCREMENT -1 MINVALUE -9223372036854775808 MAXVALUE -1 START -1;
CREATE UNLOGGED TABLE IF NOT EXISTS rls_operator.violation_inbox (
  number      bigint PRIMARY KEY,
  xact        xid8 NOT NULL,
  at          timestamptz NOT NULL,
  context     text NOT NULL,
  table_id    int NOT NULL,
  operation   "char" NOT NULL,   -- s, i, u, d
  certain     boolean NOT NULL,  -- the row was really written; else it was met while the rows were looked for
  user_name   name NOT NULL,
  login       name NOT NULL,
  application text NOT NULL,
  query       text NOT NULL,
  key         text
);

-- Transactions by project, one in sixteen.
CREATE UNLOGGED TABLE IF NOT EXISTS rls_operator.context_usage (
  project_id text NOT NULL,
  at         timestamptz NOT NULL,
  known      boolean NOT NULL
);
CREATE TABLE IF NOT EXISTS rls_operator.transactions_seen (
  project_id    text PRIMARY KEY,
  counted_since timestamptz NOT NULL,  -- when the phase began in which they are counted
  sampled       bigint NOT NULL
);
-- Contexts that no project has: refused, or let through as no context.
CREATE TABLE IF NOT EXISTS rls_operator.unknown_context (
  project_id text PRIMARY KEY,
  sampled    bigint NOT NULL,
  last_at    timestamptz NOT NULL
);

-- What a transaction that may not write does instead of a note: its looks into the index are counted by the server.
CREATE TABLE IF NOT EXISTS rls_operator.unseen (id int CONSTRAINT unseen_key PRIMARY KEY);

-- Kinds of violations: the same statement of the same application on the same table.
CREATE TABLE IF NOT EXISTS rls_operator.violation (
  fingerprint   text PRIMARY KEY,
  project_id    text NOT NULL,
  table_name    text NOT NULL,
  operation     text NOT NULL,
  user_name     text NOT NULL,
  application   text NOT NULL,
  query         text NOT NULL,          -- without values; empty where they could not be taken out for sure
  certain       boolean NOT NULL,
  total         bigint NOT NULL,
  counted_since timestamptz NOT NULL,   -- when the phase began in which `count` counts
  count         bigint NOT NULL,        -- since then, and since it was said to be fixed
  first_at      timestamptz NOT NULL,
  last_at       timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS violation_project ON rls_operator.violation (project_id);

-- What people said about them.
CREATE TABLE IF NOT EXISTS rls_operator.review (
  fingerprint text PRIMARY KEY,
  project_id  text NOT NULL,
  verdict     text NOT NULL CHECK (verdict IN ('false-positive', 'fixed', 'real')),
  by          text NOT NULL,
  comment     text NOT NULL DEFAULT '',
  at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS review_project ON rls_operator.review (project_id);

-- What was in the audit log before its rows grew too old, a row a day and kind.
CREATE TABLE IF NOT EXISTS rls_operator.audit_archive (
  day        date NOT NULL,
  project_id text NOT NULL,
  table_name text NOT NULL,
  operation  text NOT NULL,
  denied     boolean NOT NULL,
  rows       bigint NOT NULL,
  PRIMARY KEY (day, project_id, table_name, operation, denied)
);

-- ---- what applications and people see (R-A11) ------------------------------------------------------------------------

DO $do$
BEGIN
  -- Not IF NOT EXISTS: that asks for CREATE on the database even where nothing is to be done.
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '{{schema}}') THEN
    CREATE SCHEMA {{schema}};
  END IF;
END
$do$;
GRANT USAGE ON SCHEMA {{schema}} TO PUBLIC;

DO $do$
BEGIN
  CREATE TYPE {{schema}}.migration_phase_enum AS ENUM ('pending', 'shadow', 'enforcing', 'complete');
EXCEPTION WHEN duplicate_object THEN
  NULL;
END
$do$;

CREATE TABLE IF NOT EXISTS {{schema}}.project_registry (
  project_id   varchar(50) PRIMARY KEY CHECK (project_id <> '' AND project_id !~ '[\x01-\x1f\x7f]'
                                               AND position('\xf48fbfbf'::bytea IN convert_to(project_id, 'UTF8')) = 0),
  access_level text NOT NULL DEFAULT 'ISOLATED' CHECK (access_level IN ('ISOLATED', 'SHARED', 'SUPER')),
  logins       name[],  -- none: any login may set the context
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS {{schema}}.project_read_permissions (
  reader varchar(50) NOT NULL REFERENCES {{schema}}.project_registry ON DELETE CASCADE,
  target varchar(50) NOT NULL REFERENCES {{schema}}.project_registry ON DELETE CASCADE,
  PRIMARY KEY (reader, target)
);
CREATE TABLE IF NOT EXISTS {{schema}}.rls_migration_status (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project_id      varchar(50) NOT NULL UNIQUE REFERENCES {{schema}}.project_registry,
  rls_enabled     boolean NOT NULL DEFAULT false,
  migration_phase {{schema}}.migration_phase_enum NOT NULL DEFAULT 'pending',
  migrated_at     timestamptz,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS {{schema}}.rls_audit_log (
  id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project_id        varchar(50) NOT NULL,
  table_name        text NOT NULL,
  operation         text NOT NULL,
  user_name         text NOT NULL,
  reason            text NOT NULL,
  would_be_denied   boolean NOT NULL DEFAULT false,
  created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  application_name  text,
  query_fingerprint text,
  row_key           text
);
CREATE INDEX IF NOT EXISTS rls_audit_log_project_denied ON {{schema}}.rls_audit_log (project_id, would_be_denied);
CREATE INDEX IF NOT EXISTS rls_audit_log_time ON {{schema}}.rls_audit_log (created_at);

-- What policies read: one row a context, '' is none. Kept by the triggers below. Everybody sees the row of the own context.
CREATE TABLE IF NOT EXISTS {{schema}}.effective_access (
  project_id text PRIMARY KEY,
  readable   text[] NOT NULL,
  reads_all  boolean NOT NULL,
  writes_all boolean NOT NULL,
  noting     boolean NOT NULL,
  logins     name[]
);
-- Only what differs is made anew: every query on a protected table reads it, and would wait behind an exclusive lock.
DO $do$
DECLARE
  access constant oid := '{{schema}}.effective_access'::regclass;
BEGIN
  IF NOT (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = access) THEN
    ALTER TABLE {{schema}}.effective_access ENABLE ROW LEVEL SECURITY;
  END IF;
  -- As the server writes it.
  IF NOT EXISTS (
    SELECT FROM pg_policy p
    WHERE p.polrelid = access AND p.polname = 'own_context' AND p.polcmd = 'r' AND p.polpermissive AND p.polroles = '{0}'
      AND pg_get_expr(p.polqual, access) = $q$((project_id = COALESCE(current_setting('app.current_project'::text, true), ''::text)) $q$
        || 'AND ((logins IS NULL) OR (SESSION_USER = ANY (logins))))') THEN
    DROP POLICY IF EXISTS own_context ON {{schema}}.effective_access;
    CREATE POLICY own_context ON {{schema}}.effective_access FOR SELECT
      USING (project_id = coalesce(current_setting('app.current_project', true), '')
             AND (logins IS NULL OR session_user = ANY (logins)));
  END IF;
END
$do$;
GRANT SELECT ON {{schema}}.effective_access TO PUBLIC;

-- The phase in which a project begins that is not in the status table yet: pending, as before. Where everybody enforces,
-- before means that its context saw nothing: as pending it would open what is closed, to itself and to sessions without
-- any context. So it begins enforcing there, and gets its own rows.
CREATE OR REPLACE FUNCTION rls_operator.first_phase() RETURNS {{schema}}.migration_phase_enum
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT CASE WHEN EXISTS (SELECT FROM {{schema}}.rls_migration_status WHERE migration_phase IN ('pending', 'shadow'))
                OR NOT EXISTS (SELECT FROM {{schema}}.rls_migration_status)
              THEN 'pending' ELSE 'enforcing' END::{{schema}}.migration_phase_enum
$rls$;

-- What registry, grants and phases say of these projects (null: of all). Without a context everything goes on as before,
-- until the last project enforces; what that will deny is noted while somebody is in shadow.
CREATE OR REPLACE FUNCTION rls_operator.access_of(projects text[])
RETURNS TABLE (project_id text, readable text[], reads_all boolean, writes_all boolean, noting boolean, logins name[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT r.project_id::text,
         array_prepend(r.project_id::text, CASE WHEN r.access_level = 'SHARED' THEN
           ARRAY(SELECT p.target::text FROM {{schema}}.project_read_permissions p WHERE p.reader = r.project_id
                 AND p.target <> r.project_id ORDER BY 1) END),
         r.access_level = 'SUPER' OR coalesce(s.migration_phase, first.phase) = 'pending',
         coalesce(s.migration_phase, first.phase) = 'pending',
         coalesce(s.migration_phase = 'shadow', false),
         r.logins
  FROM {{schema}}.project_registry r LEFT JOIN {{schema}}.rls_migration_status s ON s.project_id = r.project_id
  CROSS JOIN (SELECT rls_operator.first_phase() AS phase OFFSET 0) first  -- once
  WHERE projects IS NULL OR r.project_id = ANY (projects)
  UNION ALL
  SELECT '', '{}', legacy AND NOT shadow, legacy AND NOT shadow, shadow, NULL
  FROM (SELECT EXISTS (SELECT FROM {{schema}}.rls_migration_status WHERE migration_phase = 'shadow') AS shadow,
               rls_operator.first_phase() = 'pending' AS legacy) s
  WHERE projects IS NULL OR '' = ANY (projects)
$rls$;

-- Brings the rows of these projects, and that of no context, to what access_of() says. A row is locked and written only
-- where it changes: else one open transaction would hold the moves of all projects up.
CREATE OR REPLACE FUNCTION rls_operator.refresh_access(projects text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
BEGIN
  projects := coalesce(projects, '{}');  -- of a statement that changed no row
  -- Who changes the same project waits here, whichever of its tables; the statements below then see what the one before
  -- has committed. Without it the later one would put back what it saw before.
  PERFORM FROM {{schema}}.project_registry r WHERE r.project_id = ANY (projects) ORDER BY r.project_id FOR NO KEY UPDATE;
  DELETE FROM {{schema}}.effective_access a
  WHERE a.project_id = ANY (projects) AND a.project_id <> ''
    AND NOT EXISTS (SELECT FROM {{schema}}.project_registry r WHERE r.project_id = a.project_id);
  INSERT INTO {{schema}}.effective_access (project_id, readable, reads_all, writes_all, noting, logins)
  SELECT n.project_id, n.readable, n.reads_all, n.writes_all, n.noting, n.logins
  FROM rls_operator.access_of(projects || ''::text) n
  ON CONFLICT (project_id) DO NOTHING;
  UPDATE {{schema}}.effective_access a
  SET readable = n.readable, reads_all = n.reads_all, writes_all = n.writes_all, noting = n.noting, logins = n.logins
  FROM rls_operator.access_of(array_remove(projects, '')) n
  WHERE a.project_id = n.project_id
    AND (a.readable, a.reads_all, a.writes_all, a.noting, a.logins)
        IS DISTINCT FROM (n.readable, n.reads_all, n.writes_all, n.noting, n.logins);
  -- Of no context: whoever changes it waits for the one before, then looks anew.
  PERFORM FROM {{schema}}.effective_access a JOIN rls_operator.access_of('{""}') n ON n.project_id = a.project_id
  WHERE (a.readable, a.reads_all, a.writes_all, a.noting, a.logins)
        IS DISTINCT FROM (n.readable, n.reads_all, n.writes_all, n.noting, n.logins)
  FOR NO KEY UPDATE OF a;
  IF FOUND THEN
    UPDATE {{schema}}.effective_access a
    SET readable = n.readable, reads_all = n.reads_all, writes_all = n.writes_all, noting = n.noting, logins = n.logins
    FROM rls_operator.access_of('{""}') n WHERE a.project_id = n.project_id;
  END IF;
END
$rls$;

-- Puts right what is not as access_of() says: rows that moves of different projects at the same time, a TRUNCATE or a hand
-- have left behind. Who is being changed by somebody is left to him; nobody is waited for long.
CREATE OR REPLACE FUNCTION rls_operator.heal_access() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $rls$
DECLARE
  stale text[];
  free  text[];
BEGIN
  SELECT array_agg(coalesce(a.project_id, n.project_id)) INTO stale
  FROM {{schema}}.effective_access a FULL JOIN rls_operator.access_of(NULL) n ON n.project_id = a.project_id
  WHERE (a.project_id, a.readable, a.reads_all, a.writes_all, a.noting, a.logins)
        IS DISTINCT FROM (n.project_id, n.readable, n.reads_all, n.writes_all, n.noting, n.logins);
  IF stale IS NULL THEN
    RETURN;
  END IF;
  SELECT array_agg(l.project_id) INTO free FROM (
    SELECT r.project_id::text FROM {{schema}}.project_registry r WHERE r.project_id = ANY (stale)
    ORDER BY r.project_id FOR NO KEY UPDATE SKIP LOCKED) l;
  free := free || ARRAY(SELECT s FROM unnest(stale) s
                        WHERE NOT EXISTS (SELECT FROM {{schema}}.project_registry r WHERE r.project_id = s));
  PERFORM rls_operator.refresh_access(free);
EXCEPTION WHEN lock_not_available THEN
  RAISE LOG 'rls-operator: the access of % is being changed by somebody; the next look puts it right', stale;
END
$rls$;

-- On registry, grants and phases; the argument names the column with the project.
CREATE OR REPLACE FUNCTION rls_operator.access_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  projects text[];
BEGIN
  IF TG_OP IN ('INSERT', 'UPDATE') THEN
    EXECUTE format('SELECT array_agg(DISTINCT %I::text) FROM new_rows', TG_ARGV[0]) INTO projects;
    PERFORM rls_operator.refresh_access(projects);
  END IF;
  IF TG_OP IN ('DELETE', 'UPDATE') THEN
    EXECUTE format('SELECT array_agg(DISTINCT %I::text) FROM old_rows', TG_ARGV[0]) INTO projects;
    PERFORM rls_operator.refresh_access(projects);
  END IF;
  RETURN NULL;
END
$rls$;
DO $do$
DECLARE
  part record;
BEGIN
  -- Only what differs, as above.
  FOR part IN
    SELECT e.name AS trigger, format('{{schema}}.%I', t.name) AS relation,
           format('CREATE TRIGGER %s AFTER %s ON {{schema}}.%I REFERENCING %s FOR EACH STATEMENT '
                  'EXECUTE FUNCTION rls_operator.access_changed(%L)', e.name, e.event, t.name, e.rows, t.project) AS definition
    FROM (VALUES ('project_registry', 'project_id'), ('project_read_permissions', 'reader'),
                 ('rls_migration_status', 'project_id')) AS t(name, project)
    CROSS JOIN (VALUES ('access_added', 'INSERT', 'NEW TABLE AS new_rows'),
                       ('access_changed', 'UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'),
                       ('access_removed', 'DELETE', 'OLD TABLE AS old_rows')) AS e(name, event, rows)
  LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = part.relation::regclass AND t.tgname = part.trigger
                          AND t.tgenabled = 'O' AND pg_get_triggerdef(t.oid) = part.definition);
    EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', part.trigger, part.relation);
    EXECUTE part.definition;
  END LOOP;
END
$do$;
SELECT rls_operator.heal_access();

-- ---- the context of a transaction ------------------------------------------------------------------------------------

-- Sets the project of this transaction, and of no other. False: there is no such project, or not for this login; then the
-- transaction goes on without a context while that is allowed, else it sees nothing. No exception: what was refused could
-- not be counted then.
CREATE OR REPLACE FUNCTION {{schema}}.set_project_context(project text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  known   boolean;   -- null: no such project
  open    boolean := false;
  counted text := coalesce(current_setting('rls_noted.contexts', true), '');
  mark    text := chr(1) || coalesce(project, '') || chr(1);
BEGIN
  SELECT a.logins IS NULL OR session_user = ANY (a.logins) INTO known
  FROM {{schema}}.effective_access a WHERE a.project_id = project AND project <> '';
  IF known THEN
    PERFORM set_config('app.current_project', project, true);
  ELSE
    IF known IS NULL THEN
      SELECT a.reads_all OR a.noting INTO open FROM {{schema}}.effective_access a WHERE a.project_id = '';
    END IF;
    -- No project has a control character in its name.
    PERFORM set_config('app.current_project', CASE WHEN open THEN '' ELSE chr(1) || 'refused' END, true);
  END IF;
  -- Once a transaction each, and not for ever: the names may be made up.
  IF length(counted) < 1000 AND position(mark IN counted) = 0 THEN
    PERFORM set_config('rls_noted.contexts', counted || mark, true);
    IF random() < 0.0625 AND current_setting('transaction_read_only') = 'off' THEN
      INSERT INTO rls_operator.context_usage (project_id, at, known)
      VALUES (left(coalesce(project, ''), 50), clock_timestamp(), coalesce(known, false));
    END IF;
  END IF;
  RETURN coalesce(known, false);
END
$rls$;

-- Phase of the present context; without one legacy behaviour.
CREATE OR REPLACE FUNCTION {{schema}}.get_rls_mode() RETURNS {{schema}}.migration_phase_enum
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT coalesce((SELECT s.migration_phase FROM {{schema}}.rls_migration_status s
                   WHERE s.project_id = current_setting('app.current_project', true)), 'pending')
$rls$;

-- What the present context may read.
CREATE OR REPLACE FUNCTION {{schema}}.get_allowed_projects() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT CASE WHEN a.reads_all THEN ARRAY(SELECT r.project_id::text FROM {{schema}}.project_registry r ORDER BY 1)
              ELSE a.readable END
  FROM {{schema}}.effective_access a
  WHERE a.project_id = coalesce(current_setting('app.current_project', true), '')
    AND (a.logins IS NULL OR session_user = ANY (a.logins))
$rls$;

-- ---- recording -------------------------------------------------------------------------------------------------------

-- A look into the index, and into nothing else, so that neither pg_dump nor a person counts as one.
CREATE OR REPLACE FUNCTION rls_operator.leave_a_trace() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $rls$
BEGIN
  PERFORM FROM rls_operator.unseen WHERE id = 0;
END
$rls$;

-- Notes, from a policy or trigger, what enforcing would deny, once a transaction for each table and operation. Always true.
-- Never raises: a transaction of an application must not fail by being watched. What cannot be noted leaves a trace.
-- Anybody may call it: only what a policy would note, too, is noted, and nobody is named who the session could not be.
CREATE OR REPLACE FUNCTION {{schema}}.note_violation(table_id int, operation text, certain boolean, who name, key text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  context text := coalesce(current_setting('app.current_project', true), '');
  waiting bigint;  -- with the number: how many are in the inbox, or rolled back
  noted   int;     -- by this transaction
BEGIN
  -- With a dot: what was once set in a session is empty afterwards, and so is the context that is none.
  PERFORM set_config(format('rls_noted.%s%s%s', operation, CASE WHEN certain THEN 'c' ELSE '' END, table_id), '.' || context, true);
  IF pg_is_in_recovery() THEN
    RETURN true;
  END IF;
  BEGIN
    SELECT CASE WHEN context = '' THEN r.contextless_to ELSE -r.drained_to END INTO waiting FROM rls_operator.runtime r
    WHERE operation IN ('s', 'i', 'u', 'd')
      AND EXISTS (SELECT FROM {{schema}}.effective_access a
                  WHERE a.project_id = context AND a.noting AND (a.logins IS NULL OR session_user = ANY (a.logins)))
      AND EXISTS (SELECT FROM rls_operator.table_state s WHERE s.id = table_id);
    IF NOT FOUND THEN
      RETURN true;
    END IF;
    IF current_setting('transaction_read_only') = 'on' THEN
      IF context <> '' THEN
        PERFORM rls_operator.leave_a_trace();
      END IF;
      RETURN true;
    END IF;
    noted := coalesce(nullif(current_setting('rls_noted.number', true), ''), '0')::int + 1;
    PERFORM set_config('rls_noted.number', noted::text, true);
    INSERT INTO rls_operator.violation_inbox
      (xact, number, at, context, table_id, operation, certain, user_name, login, application, query, key)
    SELECT n.xact, n.number, clock_timestamp(), context, table_id, operation::"char", certain,
           CASE WHEN who <> session_user AND to_regrole(quote_ident(who)) IS NOT NULL AND pg_has_role(session_user, who, 'MEMBER')
                THEN who ELSE session_user END,
           session_user, left(current_setting('application_name'), 64), rls_operator.without_values(current_query()), left(key, 100)
    -- First the transaction's number, then the note's: so that every note of a transaction that has ended is accounted for.
    -- What goes beyond the bounds takes a number and leaves no row: that it is missing is known.
    FROM (SELECT x.xact, CASE WHEN context = '' THEN nextval('rls_operator.contextless_number')
                              ELSE nextval('rls_operator.note_number') END AS number
          FROM (SELECT pg_current_xact_id() AS xact OFFSET 0) x OFFSET 0) n
    WHERE waiting + abs(n.number) <= CASE WHEN noted <= 10000 THEN 1000000 END;
  EXCEPTION WHEN OTHERS THEN
    PERFORM rls_operator.leave_a_trace();
  END;
  RETURN true;
END
$rls$;

-- A statement's shape, without values; empty where it has something that cannot be taken out for sure. So has a quoted name
-- with an apostrophe: what is a value begins and ends elsewhere then.
CREATE OR REPLACE FUNCTION rls_operator.without_values(query text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $rls$
  SELECT CASE WHEN length(query) > 4000 OR query ~ '[\\]|\$[^0-9]|--|/\*'
                OR query !~ '^(?:[^"'']|"[^"'']*"|''[^'']*'')*$' THEN '' ELSE
    left(regexp_replace(regexp_replace(regexp_replace(query, '''([^'']|'''')*''?', '?', 'g'), '\m[0-9][0-9a-z_.]*', '?', 'gi'),
                        '\s+', ' ', 'g'), 500) END
$rls$;

-- After an update or delete of a row that belongs to another context: sees cascades, too. For the caller, so that
-- current_user is his; the arguments are the table's number and its key columns.
CREATE OR REPLACE FUNCTION {{schema}}.note_write() RETURNS trigger
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $rls$
DECLARE
  context text := coalesce(current_setting('app.current_project', true), '');
  seen    text := 'rls_noted.t' || TG_ARGV[0];
BEGIN
  IF current_setting(seen, true) IS NOT DISTINCT FROM '.' || context THEN
    RETURN NULL;
  END IF;
  IF EXISTS (SELECT FROM {{schema}}.effective_access a WHERE a.project_id = context AND a.noting) THEN
    PERFORM {{schema}}.note_violation(TG_ARGV[0]::int, lower(left(TG_OP, 1)), true, current_user,
      (SELECT string_agg(to_jsonb(OLD) ->> k.name, ',' ORDER BY k.n) FROM unnest(TG_ARGV[1:]) WITH ORDINALITY AS k(name, n)));
  END IF;
  PERFORM set_config(seen, '.' || context, true);
  RETURN NULL;
END
$rls$;

REVOKE EXECUTE ON FUNCTION rls_operator.first_phase(), rls_operator.access_of(text[]), rls_operator.refresh_access(text[]), rls_operator.heal_access(),
  rls_operator.access_changed(), rls_operator.leave_a_trace(),
  rls_operator.without_values(text) FROM PUBLIC;
