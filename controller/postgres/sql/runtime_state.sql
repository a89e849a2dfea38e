-- What is there of a managed runtime: version, schema, whether it was changed. No row: none. Fails where the table is not.
SELECT r.version, r.schema, r.fingerprint <> rls_operator.runtime_now() FROM rls_operator.runtime r
