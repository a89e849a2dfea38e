-- The next audit rows after the key $3, $5 of them, in the order of the key: how many are denials of the projects $1 since
-- the times $2 at which their phases began, up to the key $4 and beyond. The row without n stands for all other rows. The
-- last columns are of the whole slice, the same in each row: the greatest keys of all, of those that may be started from
-- (not beyond $6), of those up to $4; which transactions are running.
WITH asked AS (
  SELECT a.n, a.project, (timestamptz 'epoch' + a.since * interval '1 microsecond')::{{audit.time_type}} AS since
  FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS a(project, since, n)
),
slice AS (
  SELECT a.{{audit.project_text}} AS project, a.{{audit.denied}} AS denied, a.{{audit.time}} AS time, a.{{key}} AS key
  FROM {{audit}} a WHERE a.{{key}} > $3::{{key.type}}
  ORDER BY a.{{key}} FETCH FIRST ($5::bigint) ROWS WITH TIES
),
counted AS (
  SELECT asked.n, count(*) AS rows,
         count(*) FILTER (WHERE s.time > asked.since AND s.key <= $4::{{key.type}}) AS settled,
         max(s.time) FILTER (WHERE s.time > asked.since AND s.key <= $4::{{key.type}})::timestamptz AS settled_last,
         count(*) FILTER (WHERE s.time > asked.since AND s.key > $4::{{key.type}}) AS fresh,
         max(s.time) FILTER (WHERE s.time > asked.since AND s.key > $4::{{key.type}})::timestamptz AS fresh_last,
         max(s.key) AS key,
         max(s.key) FILTER (WHERE s.key <= $6::{{key.type}}) AS usable_key,
         max(s.key) FILTER (WHERE s.key <= $4::{{key.type}}) AS settled_key
  FROM slice s LEFT JOIN asked ON asked.project = s.project AND s.denied
  GROUP BY asked.n
)
SELECT n, rows, settled, fresh,
       -- Within what a number can hold: the time may be infinite.
       (extract(epoch FROM least(settled_last, timestamptz '9999-01-01 00:00Z')) * 1000000)::bigint,
       (extract(epoch FROM least(fresh_last, timestamptz '9999-01-01 00:00Z')) * 1000000)::bigint,
       (max(key) OVER ())::text, (max(usable_key) OVER ())::text, (max(settled_key) OVER ())::text,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM counted
