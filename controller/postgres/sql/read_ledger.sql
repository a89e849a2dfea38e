SELECT count(*) FROM rls_operator.transition WHERE id = ANY ($1::text[])
