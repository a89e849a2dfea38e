-- Everything that is known of the projects $1, one row each in the order asked, from one snapshot. $2: the values of the
-- annotation `resume`, or empty.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
asked AS MATERIALIZED (
  SELECT a.project, a.resume, a.n FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a(project, resume, n)
),
seen AS MATERIALIZED (
  SELECT asked.n, asked.project,
         s.{{status.project}} IS NOT NULL OR registered.yes AS known,
         s.{{status.project}} IS NOT NULL AS has_row,
         -- A registered project without a row is in its first phase.
         CASE WHEN s.{{status.project}} IS NULL AND registered.yes THEN {{first_phase}}
              ELSE s.{{status.phase}}::text END AS phase,
         newest.ordinal, newest.kind, newest.to_phase, newest.wanted_phase, newest.at,
         CASE WHEN newest.kind = 'drift' THEN ours.to_phase ELSE newest.to_phase END AS last_ours,
         -- The first entry of all is the first sight, which nobody accepted.
         CASE WHEN newest.kind = 'drift' THEN EXISTS (
           SELECT FROM rls_operator.transition t
           WHERE t.project_id = asked.project AND t.kind = 'adopted' AND t.ordinal > 1
             AND t.to_phase = newest.to_phase) ELSE false END AS accepted_before
  FROM asked
  LEFT JOIN {{status}} s ON s.{{status.project_text}} = asked.project
  CROSS JOIN LATERAL (
    SELECT CASE WHEN s.{{status.project}} IS NULL THEN {{registered}} ELSE true END AS yes) registered
  LEFT JOIN LATERAL (
    SELECT t.ordinal, t.kind, t.to_phase, t.wanted_phase, t.at FROM rls_operator.transition t
    WHERE t.project_id = asked.project ORDER BY t.ordinal DESC LIMIT 1) newest ON true
  LEFT JOIN LATERAL (
    SELECT t.to_phase FROM rls_operator.transition t
    WHERE newest.kind = 'drift' AND t.project_id = asked.project AND t.kind <> 'drift'
    ORDER BY t.ordinal DESC LIMIT 1) ours ON true
),
denied AS ({{denied}})
SELECT seen.known, seen.phase, seen.ordinal, seen.kind, seen.to_phase, seen.wanted_phase,
       (extract(epoch FROM seen.at) * 1000000)::bigint,
       seen.last_ours,
       h.phase, h.by,
       -- What was seen before counts on, also where its rows are gone.
       greatest(denied.count, mark.count, 0),
       -- A time yet to come counts as now: a row with it must not break the statement, nor be overlooked.
       (extract(epoch FROM least(greatest(denied.last, mark.last), clock.now)) * 1000000)::bigint,
       (extract(epoch FROM clock.now) * 1000000)::bigint,
       seen.accepted_before,
       seen.has_row,
       {{remembers}}
       AND (denied.count > coalesce(mark.count, 0) OR (denied.count > 0 AND least(denied.last, clock.now) > mark.last)),
       asked.resume <> '' AND EXISTS (
         SELECT FROM rls_operator.resumed r WHERE r.project_id = seen.project AND r.value = asked.resume),
       {{managed_columns}}
FROM seen
JOIN asked ON asked.n = seen.n
CROSS JOIN clock
LEFT JOIN rls_operator.hold h ON h.project_id = seen.project
LEFT JOIN denied ON denied.n = seen.n
LEFT JOIN rls_operator.violation_mark mark
  ON mark.project_id = seen.project AND mark.ordinal = seen.ordinal AND seen.to_phase = seen.phase
ORDER BY seen.n
