SELECT id, public_id, world, player, head_branch, head_seq, loads, created_ms
FROM timeline ORDER BY id LIMIT ?1;
