INSERT INTO timeline (public_id, world, player, head_branch, head_seq, loads, created_ms)
VALUES (random() & 281474976710655, ?1, ?2, 0, 0, 0, ?3)
ON CONFLICT (world, player) DO NOTHING;
