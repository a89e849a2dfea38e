-- A sample of what the operator adopts: a database in which somebody already separates tenants ("projects")
-- with row-level security, phase by phase, and has done the moves by hand until now.
--
-- For an empty database, as a superuser (roles belong to the whole server, they are made where missing):
--   psql -v app_password=… -v operator_password=… -f dev/sample/install.sql "$DATABASE_URL"
-- Optional: -v rows=N (rows per project in nodes; default 200).
-- A second run on the same database stops at once and changes nothing.
\ir application.sql

BEGIN;
SET LOCAL client_min_messages = warning;
GRANT CREATE ON SCHEMA public TO app_owner;
SET LOCAL ROLE app_owner;
SET LOCAL search_path = public;

-- Who the tenants are, and in which phase (R-A11) --------------------------------------------------------------
CREATE TYPE migration_phase_enum AS ENUM ('pending', 'shadow', 'enforcing', 'complete');

CREATE TABLE rls_migration_status (
  id              serial PRIMARY KEY,
  project_id      varchar(50) NOT NULL UNIQUE,
  rls_enabled     boolean NOT NULL DEFAULT false,
  migration_phase migration_phase_enum NOT NULL DEFAULT 'pending',
  migrated_at     timestamptz,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project_registry (
  project_id   varchar(50) PRIMARY KEY,
  access_level text NOT NULL DEFAULT 'ISOLATED' CHECK (access_level IN ('ISOLATED', 'SHARED', 'SUPER')),
  description  text,
  created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project_read_permissions (
  reader varchar(50) NOT NULL REFERENCES project_registry,
  target varchar(50) NOT NULL REFERENCES project_registry,
  PRIMARY KEY (reader, target)
);

CREATE TABLE rls_audit_log (
  id              bigserial PRIMARY KEY,
  project_id      varchar(50),
  table_name      text NOT NULL,
  operation       text NOT NULL,
  user_name       text NOT NULL DEFAULT session_user,
  reason          text,
  would_be_denied boolean NOT NULL DEFAULT false,
  created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rls_audit_log_project_denied ON rls_audit_log (project_id, would_be_denied);

-- io is the legacy owner of all data: it reads everything.
INSERT INTO project_registry (project_id, access_level, description) VALUES
  ('sm', 'ISOLATED', 'first to go'),
  ('motoko', 'SHARED', 'reads sm and ab'),
  ('ab', 'ISOLATED', NULL),
  ('aa', 'ISOLATED', NULL),
  ('bap', 'SHARED', 'reads aa'),
  ('echo', 'ISOLATED', NULL),
  ('ea', 'SHARED', 'reads echo'),
  ('io', 'SUPER', 'legacy owner of all data');
INSERT INTO project_read_permissions (reader, target) VALUES
  ('motoko', 'sm'), ('motoko', 'ab'), ('bap', 'aa'), ('ea', 'echo');
INSERT INTO rls_migration_status (project_id) SELECT project_id FROM project_registry ORDER BY project_id;

-- The context of a transaction, and what follows from it ---------------------------------------------------------
-- Transaction-local, so that a pooled connection never hands one tenant's context to the next.
CREATE FUNCTION set_project_context(project text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM public.project_registry r WHERE r.project_id = project) THEN
    PERFORM set_config('app.current_project', '', true);
    RETURN false;
  END IF;
  PERFORM set_config('app.current_project', project, true);
  RETURN true;
END
$$;

-- Phase of the current project; without a context the legacy behaviour.
CREATE FUNCTION get_rls_mode() RETURNS migration_phase_enum
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT coalesce(
    (SELECT s.migration_phase FROM public.rls_migration_status s
     WHERE s.project_id = current_setting('app.current_project', true)), 'pending')
$$;

-- What the current project may read once its policies block: isolated its own rows, shared also what it was
-- granted, super everything.
CREATE FUNCTION get_allowed_projects() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT CASE r.access_level
           WHEN 'SUPER' THEN (SELECT array_agg(every.project_id::text) FROM public.project_registry every)
           WHEN 'SHARED' THEN ARRAY(SELECT p.target::text FROM public.project_read_permissions p
                                    WHERE p.reader = r.project_id) || r.project_id::text
           ELSE ARRAY[r.project_id::text]
         END
  FROM public.project_registry r
  WHERE r.project_id = current_setting('app.current_project', true)
$$;

-- In shadow: note the writes that enforcement would refuse. Writes only: no trigger sees a read ---------------------
CREATE FUNCTION note_denied_write() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  context text := current_setting('app.current_project', true);
  owners  text[] := '{}';
BEGIN
  IF public.get_rls_mode() <> 'shadow' THEN
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN owners := owners || OLD.project_id::text; END IF;
  IF TG_OP <> 'DELETE' THEN owners := owners || NEW.project_id::text; END IF;
  IF owners <> array_fill(context, ARRAY[cardinality(owners)]) THEN
    INSERT INTO public.rls_audit_log (project_id, table_name, operation, user_name, reason, would_be_denied)
    VALUES (context, TG_TABLE_NAME, TG_OP, session_user, 'row belongs to another project', true);
  END IF;
  RETURN NULL;
END
$$;

-- The same on each table: policies for all four commands, which let everything through until the current project is
-- enforcing, and the note for shadow. The sub-selects make Postgres ask once a query instead of once a row.
DO $$
DECLARE
  protected text;
  opened    text := $q$(SELECT public.get_rls_mode()) IN ('pending', 'shadow')$q$;
  readable  text := $q$project_id = ANY ((SELECT public.get_allowed_projects())::text[])$q$;
  own       text := $q$project_id = (SELECT current_setting('app.current_project', true))$q$;
BEGIN
  FOREACH protected IN ARRAY ARRAY['nodes', 'edges', 'documents'] LOOP
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', protected);
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format('CREATE POLICY %I ON public.%I FOR SELECT USING (%s OR %s)',
                   protected || '_select', protected, opened, readable);
    EXECUTE format('CREATE POLICY %I ON public.%I FOR INSERT WITH CHECK (%s OR %s)',
                   protected || '_insert', protected, opened, own);
    EXECUTE format('CREATE POLICY %I ON public.%I FOR UPDATE USING (%s OR %s) WITH CHECK (%3$s OR %4$s)',
                   protected || '_update', protected, opened, own);
    EXECUTE format('CREATE POLICY %I ON public.%I FOR DELETE USING (%s OR %s)',
                   protected || '_delete', protected, opened, own);
    EXECUTE format('CREATE TRIGGER note_denied_write AFTER INSERT OR UPDATE OR DELETE ON public.%I '
                   'FOR EACH ROW EXECUTE FUNCTION public.note_denied_write()', protected);
  END LOOP;
END
$$;

-- What the application may do: set its context, not the phases --------------------------------------------------------
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT SELECT ON project_registry, rls_migration_status TO app_user;
GRANT EXECUTE ON FUNCTION set_project_context(text), get_rls_mode(), get_allowed_projects() TO app_user;

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM app_owner;
\ir bootstrap.sql
COMMIT;
ANALYZE;
