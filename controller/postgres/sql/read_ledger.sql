-- The traces that one transaction left: moves in the ledger, and values of `resume` that were followed.
SELECT (SELECT count(*) FROM rls_operator.transition WHERE id = ANY ($1::text[]))
     + (SELECT count(*) FROM rls_operator.resumed r
        JOIN unnest($2::text[], $3::text[]) AS l(project, value) ON r.project_id = l.project AND r.value = l.value)
