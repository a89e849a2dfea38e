SELECT rls_operator.register_found($1::oid, $2::name)
