-- epoch_move: writes down what a look found, and when an audit is due for it.
-- $1 epoch, $2 mark, $3 server, $4 change, $5 seconds until the audit (null: none is needed)
update transport
set epoch = $1, mark = $2, server = $3, seen_at = clock_timestamp(),
    losses = losses + case when $4 in ('wiped', 'rewound') then 1 else 0 end,
    rewinds = rewinds + case when $4 = 'rewound' then 1 else 0 end,
    restores = restores + case when $4 = 'restored' then 1 else 0 end,
    restarts = restarts + case when $4 = 'restarted' then 1 else 0 end,
    regroups = regroups + case when $4 = 'regrouped' then 1 else 0 end,
    lost_at = case when $4 in ('wiped', 'rewound') then clock_timestamp() else lost_at end,
    audit_at = coalesce(clock_timestamp() + make_interval(secs => $5), audit_at)
where id = 1
returning losses
