SELECT id, public_id, world, player, head_branch, head_seq, loads, created_ms
FROM timeline WHERE world = ?1 AND player = ?2;
