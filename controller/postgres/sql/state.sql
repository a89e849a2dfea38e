-- The one statement of an `open` that finds all in order.
SELECT pg_is_in_recovery(),
       current_setting('transaction_read_only') = 'on',
       (SELECT system_identifier::text FROM pg_control_system()),
       (SELECT number FROM rls_operator.version),
       (SELECT epoch FROM rls_operator.fence),
       c.install_id, c.namespace, c.name, c.uid, c.number,
       (SELECT holder FROM rls_operator.fence)
FROM (SELECT 1) AS always LEFT JOIN rls_operator.claim c ON true
