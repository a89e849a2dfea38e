-- The sample's application: eight tenants ("projects") in three tables, and no row-level security. For an empty database,
-- as a superuser (roles belong to the whole server, they are made where missing):
--   psql -v app_password=… -v operator_password=… -f dev/sample/application.sql "$DATABASE_URL"
-- Optional: -v rows=N (rows per project in nodes; default 200).
-- A second run on the same database stops at once and changes nothing. install.sql includes this file.
\set ON_ERROR_STOP 1
\set QUIET 1
\if :{?rows} \else \set rows 200 \endif
\if :{?app_password} \else \set app_password '' \endif
\if :{?operator_password} \else \set operator_password '' \endif

BEGIN;
SET LOCAL client_min_messages = warning;
SELECT set_config('sample.passwords', (:'app_password' <> '' AND :'operator_password' <> '')::text, true) \g /dev/null
DO $$
BEGIN
  IF to_regclass('public.nodes') IS NOT NULL OR to_regclass('public.rls_migration_status') IS NOT NULL THEN
    RAISE EXCEPTION 'database "%" holds the sample (or an installation of its kind) already; nothing was changed',
      current_database() USING HINT = 'Create an empty database, or drop this one first.';
  END IF;
  IF NOT current_setting('sample.passwords')::boolean THEN
    RAISE EXCEPTION 'give both passwords: -v app_password=… -v operator_password=…';
  END IF;
END
$$;

-- Roles ------------------------------------------------------------------------------------------------------
-- app_owner owns everything and cannot log in; app_user is what the application logs in as.
-- Roles are shared by all databases of the server, so two installations at once take turns.
SELECT pg_advisory_xact_lock(hashtext('sample roles')) \g /dev/null
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['app_owner', 'app_user', 'rls_operator_role'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', wanted);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
END
$$;
ALTER ROLE app_user LOGIN PASSWORD :'app_password';
ALTER ROLE rls_operator_role LOGIN PASSWORD :'operator_password';

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO app_owner, app_user;
GRANT CREATE ON SCHEMA public TO app_owner;
SET LOCAL ROLE app_owner;
SET LOCAL search_path = public;

-- The data ---------------------------------------------------------------------------------------------------------
CREATE TABLE nodes (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project_id varchar(50) NOT NULL,
  label      text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE edges (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project_id varchar(50) NOT NULL,
  source_id  bigint NOT NULL REFERENCES nodes ON DELETE CASCADE,
  target_id  bigint NOT NULL REFERENCES nodes ON DELETE CASCADE,
  kind       text NOT NULL DEFAULT 'next'
);
CREATE TABLE documents (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  project_id varchar(50) NOT NULL,
  title      text NOT NULL,
  body       text NOT NULL DEFAULT ''
);

SELECT set_config('sample.rows', :'rows', true) \g /dev/null
INSERT INTO nodes (project_id, label)
SELECT p.project_id, p.project_id || ' node ' || n
FROM unnest(ARRAY['sm', 'motoko', 'ab', 'aa', 'bap', 'echo', 'ea', 'io']) AS p(project_id),
     generate_series(1, current_setting('sample.rows')::int) n;
INSERT INTO edges (project_id, source_id, target_id)
SELECT here.project_id, here.id, there.id
FROM nodes here JOIN nodes there ON there.id = here.id + 1 AND there.project_id = here.project_id;
INSERT INTO documents (project_id, title, body)
SELECT project_id, 'document of ' || label, repeat('text ', 10) FROM nodes WHERE id % 4 = 0;

CREATE INDEX nodes_project ON nodes (project_id);
CREATE INDEX edges_project ON edges (project_id);
CREATE INDEX documents_project ON documents (project_id);
CREATE INDEX edges_source ON edges (source_id);
CREATE INDEX edges_target ON edges (target_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON nodes, edges, documents TO app_user;

RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM app_owner;
COMMIT;
ANALYZE;
