-- Branches with the hashes where they were split off and at their tips. Every timeline has a first.
SELECT t.id, b.number, b.parent, b.fork_seq, fork.hash, b.tip_seq, tip.hash, b.created_ms
FROM timeline AS t
JOIN branch AS b ON b.timeline = t.id
LEFT JOIN entry AS fork ON fork.timeline = t.id AND fork.branch = b.parent AND fork.seq = b.fork_seq
LEFT JOIN entry AS tip ON tip.timeline = t.id AND tip.branch = b.number AND tip.seq = b.tip_seq
WHERE t.world = $1 AND t.player = $2
ORDER BY b.number LIMIT $3
