-- The moves: ledger row and phase. From a phase to itself it is accepted, not moved: a ledger row alone. A project
-- that misses in `changed`, or has another phase there, was refused silently by a trigger.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
m AS MATERIALIZED (
  SELECT *, from_phase = to_phase AS accepted
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
         AS m(project, ordinal, from_phase, to_phase, reason, actor)
),
ledger AS (
  INSERT INTO rls_operator.transition
    (id, project_id, ordinal, kind, from_phase, to_phase, reason, actor, epoch, at)
  SELECT {{transition_id}}, m.project, m.ordinal, CASE WHEN m.accepted THEN 'adopted' ELSE 'moved' END,
         nullif(m.from_phase, m.to_phase), m.to_phase, m.reason, m.actor, $7::bigint, clock.now
  FROM m CROSS JOIN clock CROSS JOIN rls_operator.claim c
  RETURNING id, project_id, at, kind
),
changed AS (
  UPDATE {{status}} s
  SET {{status.phase}} = m.to_phase::{{status.phase_type}},
      {{status.enabled}} = m.to_phase IN ('enforcing', 'complete'),
      {{status.migrated_at}} = CASE WHEN m.to_phase = 'complete' THEN clock.now
                                    WHEN m.from_phase = 'complete' THEN NULL
                                    ELSE s.{{status.migrated_at}} END{{status.touch}}
  FROM m CROSS JOIN clock
  WHERE s.{{status.project_text}} = m.project AND NOT m.accepted
  RETURNING m.project, s.{{status.phase}}::text = m.to_phase AS as_wanted
)
SELECT l.project_id, l.id, (extract(epoch FROM l.at) * 1000000)::bigint,
       coalesce(changed.as_wanted, l.kind = 'adopted')
FROM ledger l LEFT JOIN changed ON changed.project = l.project_id
