-- In project order, so that two of us never wait for each other. NO KEY: foreign keys to the row go on.
SELECT s.{{status.project_text}} FROM {{status}} s WHERE s.{{status.project_text}} = ANY ($1::text[])
ORDER BY s.{{status.project}} FOR NO KEY UPDATE {{skip_locked}}
