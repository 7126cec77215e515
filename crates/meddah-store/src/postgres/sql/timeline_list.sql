SELECT t.id, t.head_branch, t.head_seq, place.hash, t.world, t.player, t.loads, t.created_ms
FROM timeline AS t
LEFT JOIN entry AS place ON place.timeline = t.id AND place.branch = t.head_branch AND place.seq = t.head_seq
ORDER BY t.begun LIMIT $1
