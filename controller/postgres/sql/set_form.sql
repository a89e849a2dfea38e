SELECT rls_operator.set_form($1::oid, $2::name, $3)
