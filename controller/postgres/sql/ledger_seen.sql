-- Ledgers what was seen and not done by us: first sights and drift. The status rows are locked.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now)
INSERT INTO rls_operator.transition
  (id, project_id, ordinal, kind, from_phase, to_phase, wanted_phase, reason, actor, epoch, at)
SELECT {{transition_id}}, m.project, m.ordinal, m.kind, m.from_phase, m.to_phase, m.wanted_phase,
       CASE m.kind WHEN 'adopted' THEN 'first seen' ELSE 'changed by somebody else' END,
       CASE m.kind WHEN 'adopted' THEN 'rls-operator' ELSE 'unknown' END, $7::bigint, clock.now
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
       AS m(project, ordinal, kind, from_phase, to_phase, wanted_phase)
CROSS JOIN clock
CROSS JOIN rls_operator.claim c
-- Where there is no row to lock, the other lane may have been faster.
ON CONFLICT DO NOTHING
