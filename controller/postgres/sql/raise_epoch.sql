-- Raised by a new leader and by nothing else. The table is locked.
UPDATE rls_operator.fence SET epoch = $1::bigint, holder = $2 WHERE epoch < $1::bigint RETURNING epoch
