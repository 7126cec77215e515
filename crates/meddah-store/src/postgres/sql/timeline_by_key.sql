-- How a timeline stands, and the hash at its head (none at the beginning).
SELECT t.id, t.head_branch, t.head_seq, place.hash, t.world, t.player, t.loads, t.created_ms
FROM timeline AS t
LEFT JOIN entry AS place ON place.timeline = t.id AND place.branch = t.head_branch AND place.seq = t.head_seq
WHERE t.world = $1 AND t.player = $2
