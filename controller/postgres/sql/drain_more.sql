-- Takes more out of the inbox, where more waits than a look can count. The notes that were taken; null: no more waits.
SELECT CASE WHEN EXISTS (SELECT FROM rls_operator.violation_inbox i WHERE i.number > 0 ORDER BY i.number LIMIT 1 OFFSET 10000)
            THEN (SELECT d.notes FROM rls_operator.drain() d) END
