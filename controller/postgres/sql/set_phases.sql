-- The phases. Runs under the search path of strangers, so every name here is qualified and every operator finds its
-- exact types: nobody else's function or operator of the same name can take its place. $4: the time in the ledger.
UPDATE {{status}} s
SET {{status.phase}} = m.to_phase::{{status.phase_type}},
    {{status.enabled}} = (m.to_phase OPERATOR(pg_catalog.=) 'enforcing'::text OR
                          m.to_phase OPERATOR(pg_catalog.=) 'complete'::text),
    {{status.migrated_at}} = CASE WHEN m.to_phase OPERATOR(pg_catalog.=) 'complete'::text
                                  THEN $4::timestamptz
                                  WHEN m.from_phase OPERATOR(pg_catalog.=) 'complete'::text THEN NULL
                                  ELSE s.{{status.migrated_at}} END{{status.touch}}
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]))
       AS m(project, from_phase, to_phase)
WHERE s.{{status.project}}::text OPERATOR(pg_catalog.=) m.project
RETURNING m.project, s.{{status.phase}}::text OPERATOR(pg_catalog.=) m.to_phase
