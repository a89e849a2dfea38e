-- The next audit rows after the key $3, $5 of them, in the order of the key: how many are denials of the projects $1 since
-- the times $2 at which their phases began, up to the key $4 and beyond. Rows without n stand for all that is not asked
-- for. The last columns are of the whole slice, the same in each row: the greatest key; the same, but not beyond $6; the
-- greatest up to $4; which transactions are running.
WITH asked AS (
  SELECT a.n, a.project, timestamptz 'epoch' + a.since * interval '1 microsecond' AS since
  FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS a(project, since, n)
),
slice AS (
  SELECT a.{{audit.project_text}} AS project, a.{{audit.denied}} AS denied, a.{{audit.time}} AS time, a.{{key}} AS key
  FROM {{audit}} a WHERE a.{{key}} > $3::{{key.type}}
  ORDER BY a.{{key}} FETCH FIRST ($5::bigint) ROWS WITH TIES
),
counted AS (
  SELECT asked.n, s.key <= $4::{{key.type}} AS settled,
         count(*) AS rows, count(*) FILTER (WHERE s.time > asked.since{{audit.since}}) AS count, max(s.time){{audit.at_the_latest}} AS last,
         max(s.key) AS key
  FROM slice s LEFT JOIN asked ON asked.project = s.project AND s.denied
  GROUP BY asked.n, s.key <= $4::{{key.type}}
)
SELECT n, settled, rows, count,
       -- Within what a number can hold: the time may be infinite.
       CASE WHEN count > 0
            THEN (extract(epoch FROM least(last, timestamptz '9999-01-01 00:00Z')) * 1000000)::bigint END,
       (max(key) OVER ())::text, least(max(key) OVER (), $6::{{key.type}})::text,
       (max(key) FILTER (WHERE settled) OVER ())::text,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM counted
