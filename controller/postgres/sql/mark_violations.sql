-- Remembers what was seen of denials; within one phase it never goes back.
INSERT INTO rls_operator.violation_mark AS k (project_id, ordinal, count, last)
SELECT m.project, m.ordinal, m.count, timestamptz 'epoch' + m.last * interval '1 microsecond'
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS m(project, ordinal, count, last)
ON CONFLICT (project_id) DO UPDATE
SET ordinal = excluded.ordinal,
    count = CASE WHEN k.ordinal = excluded.ordinal THEN greatest(k.count, excluded.count) ELSE excluded.count END,
    last = CASE WHEN k.ordinal = excluded.ordinal THEN greatest(k.last, excluded.last) ELSE excluded.last END
WHERE k.ordinal <= excluded.ordinal
