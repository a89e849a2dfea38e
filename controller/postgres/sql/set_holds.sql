-- Holds that checks set, together with the step down. A lower hold of somebody else's stays.
INSERT INTO rls_operator.hold AS h (project_id, phase, by, reason)
SELECT l.project, l.phase, l.by, l.reason
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS l(project, phase, by, reason)
ON CONFLICT (project_id) DO UPDATE
  SET phase = excluded.phase, by = excluded.by, reason = excluded.reason, at = excluded.at
  WHERE array_position(ARRAY['pending', 'shadow', 'enforcing', 'complete'], h.phase)
        > array_position(ARRAY['pending', 'shadow', 'enforcing', 'complete'], excluded.phase)
