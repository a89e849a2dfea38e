denied.transactions, denied.unreviewed, (extract(epoch FROM denied.fixed_at) * 1000000)::bigint,
       (extract(epoch FROM denied.reviewed_at) * 1000000)::bigint