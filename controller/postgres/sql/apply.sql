-- The ledger rows of the moves; from a phase to itself it is accepted, not moved. The last column makes the search path
-- of the database's own users hold until the end of the transaction: triggers of strangers on the tables that are
-- written next may count on it.
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
  RETURNING id, project_id, at
)
SELECT l.project_id, l.id, (extract(epoch FROM l.at) * 1000000)::bigint, l.at::text, set_config('search_path', $8::text, true)
FROM ledger l
