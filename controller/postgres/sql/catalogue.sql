-- The columns of the adopted tables in schema $1, with what is needed to judge them. One row at least; a row
-- without a table name where neither table is there.
WITH adopted AS (
  SELECT n.nspname, c.oid, c.relname
  FROM pg_namespace n
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND c.relname = ANY ($2::text[])
  WHERE n.nspname = $1
),
schema AS (
  SELECT (SELECT count(*) > 0 FROM pg_namespace WHERE nspname = $1) AS found,
         (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1) AS usable
)
SELECT schema.found,
       coalesce(schema.usable, false),
       quote_ident($1),
       t.relname,
       quote_ident(t.nspname) || '.' || quote_ident(t.relname),
       a.attname,
       quote_ident(a.attname),
       format_type(a.atttypid, NULL),
       format_type(a.atttypid, a.atttypmod),
       (a.attnotnull OR domain.typnotnull) AND NOT a.atthasdef AND domain.typdefault IS NULL
         AND a.attidentity = '' AND a.attgenerated = '',
       has_column_privilege(t.oid, a.attnum, 'SELECT'),
       has_column_privilege(t.oid, a.attnum, 'UPDATE'),
       has_column_privilege(t.oid, a.attnum, 'INSERT'),
       -- An enum that does not know all four phases cannot hold them.
       (SELECT count(*) FROM pg_enum e
        WHERE e.enumtypid = base.oid AND e.enumlabel IN ('pending', 'shadow', 'enforcing', 'complete')),
       EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = base.oid),
       EXISTS (SELECT FROM pg_index i
               WHERE i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indimmediate
                 AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
       -- Rows may be hidden from us: only a policy for us that is literally true, and none that restricts, is fine.
       row_security_active(t.oid)
         AND (EXISTS (SELECT FROM pg_policy p
                      WHERE p.polrelid = t.oid AND NOT p.polpermissive AND p.polcmd IN ('*', 'r'))
              OR NOT EXISTS (SELECT FROM pg_policy p
                             WHERE p.polrelid = t.oid AND p.polpermissive AND p.polcmd IN ('*', 'r')
                               AND pg_get_expr(p.polqual, p.polrelid) = 'true'
                               AND (p.polroles = '{0}' OR EXISTS (SELECT FROM unnest(p.polroles) r
                                                                  WHERE pg_has_role(r, 'USAGE'))))),
       format_type(base.oid, NULL),
       -- Given by a sequence, in every row.
       a.attnotnull AND (a.attidentity <> '' OR EXISTS (
         SELECT FROM pg_attrdef d WHERE d.adrelid = t.oid AND d.adnum = a.attnum
                                    AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')),
       -- Rows can be read in its order.
       EXISTS (SELECT FROM pg_index i
               JOIN pg_class x ON x.oid = i.indexrelid
               JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
               WHERE i.indrelid = t.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)
FROM schema
LEFT JOIN adopted t ON true
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type domain ON domain.oid = a.atttypid
LEFT JOIN LATERAL (  -- below a domain, and a domain of a domain
  WITH RECURSIVE below(oid) AS (
    SELECT a.atttypid
    UNION ALL
    SELECT t.typbasetype FROM below JOIN pg_type t ON t.oid = below.oid WHERE t.typtype = 'd')
  SELECT below.oid FROM below JOIN pg_type t ON t.oid = below.oid WHERE t.typtype <> 'd') base ON true
ORDER BY t.relname, a.attnum
